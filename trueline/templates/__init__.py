"""The templates room: project folders to start from. They are made of the examples, so that nothing is kept twice.

In an installed package they lie under ``projects/``, where the build puts them; in a clone they are read from
``examples/``. It imports only `trueline._core`; the command line makes projects from it.
"""

from __future__ import annotations

from trueline.templates.naming import name_of, project_name
from trueline.templates.project import Project, make_project
from trueline.templates.sources import EXTRAS, TEMPLATES, Template, missing_modules, template_files

__all__ = [
    "EXTRAS",
    "TEMPLATES",
    "Project",
    "Template",
    "make_project",
    "missing_modules",
    "name_of",
    "project_name",
    "template_files",
]

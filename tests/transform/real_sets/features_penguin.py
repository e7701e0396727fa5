"""Palmer penguins as they were measured: numbers with ``NA`` among them, three species."""

from __future__ import annotations

from typing import Any

import trueline.transform as tlt

MEASURES = {
    "culmen_length": "Culmen Length (mm)",
    "culmen_depth": "Culmen Depth (mm)",
    "flipper_length": "Flipper Length (mm)",
}
LABEL_KEY = "species"


def preprocessing_fn(inputs: Any) -> dict[str, Any]:
    """Measures scaled in two ways, where missing 0 and a flag; island one-hot; mass by species' sex; egg's date."""
    outputs = {}
    for name, column in MEASURES.items():
        value = number(inputs[column])
        outputs[name] = tlt.fill_missing(tlt.scale_to_z_score(value), 0.0)
        outputs[name + "_missing"] = tlt.missing_indicator(value)
    outputs["body_mass"] = tlt.scale_to_0_1(tlt.fill_with_mean(number(inputs["Body Mass (g)"])))
    sex = tlt.missing_if(inputs["Sex"], "NA")
    outputs["sex"] = tlt.compute_and_apply_vocabulary(tlt.fill_with_mode(sex), num_oov_buckets=1, vocab_filename="sex")
    island = tlt.compute_and_apply_vocabulary(inputs["Island"], vocab_filename="island")
    outputs["island"] = tlt.one_hot(island, 3)
    outputs["egg_day"] = tlt.fill_missing(tlt.scale_to_z_score(tlt.day_of_year(inputs["Date Egg"])), 0.0)
    outputs[LABEL_KEY] = tlt.map_values(
        tlt.regex_extract(inputs["Species"], "^[A-Z][a-z]+"), {"Adelie": 0, "Chinstrap": 1, "Gentoo": 2}
    )
    return outputs


def processed_preprocessing_fn(inputs: Any) -> dict[str, Any]:
    """TFX's penguin example: z-scores of what is already scaled; the label as it is."""
    features = ("culmen_length_mm", "culmen_depth_mm", "flipper_length_mm", "body_mass_g")
    outputs = {key + "_xf": tlt.scale_to_z_score(inputs[key]) for key in features}
    outputs["species"] = inputs["species"]
    return outputs


def number(x: Any) -> Any:
    """A number; text that is none (``NA``) is missing."""
    return tlt.parse_number(x) if x.dtype == "utf8" else x

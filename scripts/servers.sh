#!/usr/bin/env bash
# The real servers and the browser that tests start on loopback: PostgreSQL, MariaDB, Chromium and node, from Debian's
# packages. Where they cannot be installed, the tests that need them are skipped and say so.
set -uo pipefail
missing=()
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || missing+=(postgresql)
command -v mariadbd >/dev/null || missing+=(mariadb-server)
command -v chromium >/dev/null || missing+=(chromium)
command -v npm >/dev/null || missing+=(nodejs npm)
[ ${#missing[@]} -eq 0 ] && exit 0
if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
  echo "NOT TESTED HERE: ${missing[*]} are not here and cannot be installed: their tests will be skipped" >&2
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
{ apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1 ||
  echo "NOT TESTED HERE: ${missing[*]} could not be installed: their tests will be skipped" >&2

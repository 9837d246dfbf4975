# Sourced by scripts/test and scripts/demo: puts an environment with the tested versions on PATH.
# CRYOFOCUS_VENV names an environment to use instead of .venv; PYTHON names the interpreter to
# build it with. Installing is skipped while pyproject.toml and constraints.txt stay as they were.

cd "$(dirname "${BASH_SOURCE[0]}")/.."

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3; do
    if [ -n "$candidate" ] &&
      "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "cryofocus needs Python 3.11 or newer on PATH, or its path in PYTHON." >&2
  return 1
}

prepare_environment() {
  local venv="${CRYOFOCUS_VENV:-.venv}" python stamp wanted
  if [ ! -x "$venv/bin/python" ]; then
    python=$(find_python)
    echo "== environment: $venv, from $("$python" --version)"
    "$python" -m venv "$venv"
  fi
  stamp="$venv/.cryofocus-installed"
  # The folder is part of the stamp because an editable install points to one checkout.
  wanted=$({ pwd; cat pyproject.toml constraints.txt; } | sha256sum)
  if [ "$wanted" != "$(cat "$stamp" 2>/dev/null)" ]; then
    echo "== install the versions of constraints.txt"
    "$venv/bin/python" -m pip install --quiet -c constraints.txt -e '.[dev]'
    echo "$wanted" >"$stamp"
  fi
  venv=$(cd "$venv" && pwd)
  export PATH="$venv/bin:$PATH"
}

prepare_environment

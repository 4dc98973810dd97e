#!/bin/sh
# A stranger's check: what the README says about installing, word by word, in an empty folder with nothing but Python, once
# with pip and once with uv: `sh dev/stranger.sh [pip|uv]`. The package comes from dist/ (make dist), all else from the
# package index. Airflow is that of the constraints, since its newest one may be newer than this package.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$(command -v python3)}
python=$("$python" -c 'import sys; print(sys.executable)')
airflow=$(sed -n 's/^apache-airflow==//p' "$root/constraints/airflow-3.3.txt")
wheel=$(ls "$root"/dist/airflow_provider_starvideos-*.whl) || { echo "no wheel: make dist" >&2 && exit 1; }
empty=$(mktemp -d)
trap 'rm -rf "$empty"' EXIT

say() { echo "stranger: $*"; }
# Nothing of the caller's but where the package index is.
index=$(env | grep -E '^(PIP|UV|SSL|REQUESTS)_[A-Z_]*=|^(https?|no|HTTPS?|NO)_(proxy|PROXY)=' || true)
alone() {
    (cd "$empty" && echo "$index" | {
        set -- "PATH=$empty/bin:/usr/bin:/bin" "HOME=$empty" "AIRFLOW_HOME=$empty/airflow" LANG=C.UTF-8 "$@"
        while IFS= read -r line; do [ -z "$line" ] || set -- "$line" "$@"; done
        exec env -i "$@" </dev/null
    })
}

# The README's own lines: its install command, and its Dag.
sed -n 's/^    \(pip install airflow-provider-starvideos\)$/\1/p' "$root/README.md" >"$empty/install.txt"
sed -n '/^```python$/,/^```$/p' "$root/README.md" | sed '1d; /^```$/,$d' >"$empty/kite.py"
[ -s "$empty/install.txt" ] && [ -s "$empty/kite.py" ] || { echo "the README has no install command or no Dag" >&2 && exit 1; }
mkdir "$empty/bin" "$empty/wheels"
cp "$wheel" "$empty/wheels/"

check() { # what must work once it is installed
    alone venv/bin/airflow providers list -o plain | grep '^airflow-provider-starvideos' || return 1
    alone venv/bin/python -W error::DeprecationWarning:airflow_provider_starvideos kite.py || return 1
    alone venv/bin/python -c '
import runpy
from airflow.sdk import DAG
made, leave = [], DAG.__exit__
DAG.__exit__ = lambda self, *args: (made.append(self), leave(self, *args))[1]
runpy.run_path("kite.py")
assert [task.task_id for task in made[0].topological_sort()] == ["create", "wait", "save"]
print("the Dag of the README:", made[0].dag_id, made[0].task_ids)'
}

with() { # pip or uv
    say "with $1, $("$python" --version), Airflow $airflow"
    rm -rf "$empty/venv" "$empty/airflow"
    alone "$python" -m venv venv
    command=$(cat "$empty/install.txt")
    if [ "$1" = uv ]; then
        alone venv/bin/python -m pip install --quiet --disable-pip-version-check uv
        command="venv/bin/uv $command --python venv/bin/python"
    else
        command="venv/bin/$command"
    fi
    # shellcheck disable=SC2086
    alone $command "apache-airflow==$airflow" --quiet --find-links wheels
    check
    say "with $1: well"
}

for way in ${*:-pip uv}; do with "$way"; done

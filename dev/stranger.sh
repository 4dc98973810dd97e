#!/bin/sh
# A stranger's check: what the README says about installing, word by word, in a checkout with nothing but Python, once with
# pip and once with uv: `sh dev/stranger.sh [pip|uv]`. The checkout is what dist/ has as sdist (make dist); all else comes
# from the package index.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$(command -v python3)}
python=$("$python" -c 'import sys; print(sys.executable)')
sdist=$(ls "$root"/dist/airflow_provider_starvideos-*.tar.gz) || { echo "no sdist: make dist" >&2 && exit 1; }
empty=$(mktemp -d)
trap 'rm -rf "$empty"' EXIT

say() { echo "stranger: $*"; }
# Nothing of the caller's but where the package index is.
index=$(env | grep -E '^(PIP|UV|SSL|REQUESTS)_[A-Z_]*=|^(https?|no|HTTPS?|NO)_(proxy|PROXY)=' || true)
alone() {
    (cd "$empty/$folder" && echo "$index" | {
        set -- "PATH=$empty/bin:/usr/bin:/bin" "HOME=$empty" "AIRFLOW_HOME=$empty/airflow" LANG=C.UTF-8 "$@"
        while IFS= read -r line; do [ -z "$line" ] || set -- "$line" "$@"; done
        exec env -i "$@" </dev/null
    })
}

# The README's own lines: its install command, and its Dag.
sed -n 's/^    \(pip install \. .*\)$/\1/p' "$root/README.md" >"$empty/install.txt"
sed -n '/^```python$/,/^```$/p' "$root/README.md" | sed '1d; /^```$/,$d' >"$empty/kite.py"
[ -s "$empty/install.txt" ] && [ -s "$empty/kite.py" ] || { echo "the README has no install command or no Dag" >&2 && exit 1; }
mkdir "$empty/bin" "$empty/checkout"
tar -xzf "$sdist" -C "$empty/checkout" --strip-components=1
folder=.

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
    say "with $1, $("$python" --version)"
    rm -rf "$empty/venv" "$empty/airflow"
    alone "$python" -m venv venv
    command=$(cat "$empty/install.txt")
    if [ "$1" = uv ]; then
        alone venv/bin/python -m pip install --quiet --disable-pip-version-check uv
        command="../venv/bin/uv $command --python ../venv/bin/python"
    else
        command="../venv/bin/$command"
    fi
    # shellcheck disable=SC2086
    (folder=checkout && alone $command --quiet)
    check
    say "with $1: well"
}

for way in ${*:-pip uv}; do with "$way"; done

#!/bin/sh
# A stranger's check: the README's commands as they are typed, in an empty folder with nothing but Python, once with pip and
# once with uv: `sh dev/stranger.sh [pip|uv]`. The checkout is what dist/ has as sdist (make dist); all else comes from the
# package index. Last, the README's Dag.
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
    (cd "$empty/checkout" && echo "$index" | {
        set -- "PATH=$empty/bin:/usr/bin:/bin" "HOME=$empty" LANG=C.UTF-8 "$@"
        while IFS= read -r line; do [ -z "$line" ] || set -- "$line" "$@"; done
        exec env -i "$@" </dev/null
    })
}

mkdir "$empty/bin" "$empty/checkout"
ln -s "$python" "$empty/bin/python3"
tar -xzf "$sdist" -C "$empty/checkout" --strip-components=1
# The README's own lines: its commands, and its Dag.
sed -n '/^<!-- commands: begin -->$/,/^<!-- commands: end -->$/p' "$root/README.md" | sed '/^<!--/d; /^```/d' >"$empty/typed"
sed -n '/^```python$/,/^```$/p' "$root/README.md" | sed '1d; /^```$/,$d' >"$empty/checkout/kite.py"
[ "$(wc -l <"$empty/typed")" -eq 5 ] && [ -s "$empty/checkout/kite.py" ] || {
    echo "the README hasn't five commands, or no Dag" >&2
    exit 1
}

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
    rm -rf "$empty/checkout/venv" "$empty/airflow"
    # The last command runs until it is ended: it gets ten seconds to say that it listens.
    sed '$d' "$empty/typed" >"$empty/script"
    printf 'timeout 10 %s >emulator.log || [ $? -eq 124 ] || exit 1\ngrep "StarVideos emulator: http" emulator.log\n' \
        "$(tail -n 1 "$empty/typed")" >>"$empty/script"
    if [ "$1" = uv ]; then
        sed -i 's/^pip install/python -m pip install --quiet uv\nuv pip install/' "$empty/script"
    fi
    began=$(date +%s)
    alone sh -eux "$empty/script"
    say "with $1: $(($(date +%s) - began)) s for the five commands, ten of them the last one's"
    check
    say "with $1: well"
}

for way in ${*:-pip uv}; do with "$way"; done

#!/bin/sh
# Build or update the environment $VENV with the package, editable, and all that its development needs,
# in the versions of $CONSTRAINTS. Needs a Python 3.11 to 3.14 ($PYTHON, or found) and a package index; takes uv or
# pip, whichever is there. Runs at the same time wait for each other.
set -eu

VENV=${VENV:-.venv}
CONSTRAINTS=${CONSTRAINTS:-constraints/airflow-3.3.txt}
READY=$VENV/.ready
SUPPORTED='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))'

say() { echo "venv: $*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }
supported() { "$1" -c "$SUPPORTED" >/dev/null 2>&1; }
can_apt() { [ "$(id -u)" = 0 ] && have apt-get; }

apt_install() {
    say "installing $* with apt-get"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@"; } >&2 </dev/null
}

up_to_date() {
    [ -e "$READY" ] && [ -z "$(find pyproject.toml "$CONSTRAINTS" dev/venv.sh -newer "$READY")" ]
}

find_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14 python}; do
        if supported "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

outer_pip() { # a pip from outside the environment, working on it (pip 22.3 and later)
    python=$1
    shift
    if "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m pip --python "$VENV/bin/python" "$@"
    else
        pip3 --python "$VENV/bin/python" "$@"
    fi
}

new_venv() { # the several ways to an environment; each leaves no half of one behind
    rm -rf "$VENV"
    if have uv && uv venv --quiet --python "$1" "$VENV"; then return; fi
    if "$1" -m venv "$VENV" >/dev/null 2>&1; then return; fi
    rm -rf "$VENV" # without ensurepip, as on Debian without python3-venv
    if "$1" -m virtualenv --quiet "$VENV" >/dev/null 2>&1; then return; fi
    rm -rf "$VENV"
    if "$1" -m venv --without-pip "$VENV" && outer_pip "$1" install --quiet uv >/dev/null 2>&1; then return; fi
    rm -rf "$VENV"
    can_apt && apt_install "$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')" &&
        "$1" -m venv "$VENV"
}

install() {
    python=$VENV/bin/python
    if ! have uv && ! "$python" -m uv --version >/dev/null 2>&1; then
        "$python" -m pip install --quiet --disable-pip-version-check uv || true # several times as fast as pip
    fi
    set -- --quiet --constraint "$CONSTRAINTS" --editable '.[dev]'
    if have uv; then
        uv pip install --python "$python" "$@" && return
    elif "$python" -m uv --version >/dev/null 2>&1; then
        "$python" -m uv pip install --python "$python" "$@" && return
    fi
    # uv knows nothing of pip's settings, such as a company's own index.
    "$python" -m pip --version >/dev/null 2>&1 || return 1
    say "installing with pip"
    "$python" -m pip install --disable-pip-version-check "$@"
}

mkdir -p build
if have flock && [ -z "${VENV_LOCKED:-}" ]; then
    VENV_LOCKED=1 exec flock build/venv.lock sh "$0"
fi
if up_to_date; then exit 0; fi

if ! supported "$VENV/bin/python"; then
    if ! python=$(find_python); then
        if have uv; then
            python=3.12 # uv fetches one
        elif can_apt && apt_install python3 python3-venv && find_python >/dev/null; then
            python=$(find_python)
        else
            say "no Python 3.11 to 3.14 found. Install one, or name it: make venv PYTHON=/path/to/python3"
            exit 1
        fi
    fi
    say "building $VENV with $python"
    if ! new_venv "$python"; then
        rm -rf "$VENV"
        say "$python can't make an environment. Install its venv module (Debian, Ubuntu: apt install python3-venv), or uv."
        exit 1
    fi
fi
say "installing the package and its tools into $VENV"
install || {
    say "that failed; the reason is above. Is a package index within reach? (make clean, then again, starts from nothing)"
    exit 1
}
touch "$READY"

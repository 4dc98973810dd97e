#!/bin/sh
# Resolve what pyproject.toml asks for, for one minor version of Airflow and every supported Python, and write it to
# constraints/airflow-VERSION.txt: `sh dev/constraints.sh 3.3`. Further arguments go to `uv pip compile`.
# `sh dev/constraints.sh lowest` writes constraints/lowest.txt: the lowest version of each direct dependency that
# pyproject.toml allows, on the oldest Python; the tools around them are newer.
set -eu

version=$1
shift
airflow=$version
target=constraints/airflow-$version.txt
[ "$version" != lowest ] || { airflow=3.0 && target=constraints/lowest.txt; }
# Older Airflows don't start with what was released long after them (PyJWT, pydantic), and pin no upper bounds. So
# take all as it was soon after their last release, but the shim, which users upgrade on its own, and what it needs.
case $airflow in
3.0) then=2025-09-05 ;;
3.1) then=2026-04-15 ;;
3.2) then=2026-06-02 ;;
*) then= ;;
esac
if [ -n "$then" ]; then
    set -- --exclude-newer "$then" --exclude-newer-package apache-airflow-providers-common-compat=false \
        --exclude-newer-package asgiref=false "$@"
fi

if ! command -v uv >/dev/null 2>&1; then
    [ -x .venv/bin/uv ] || { echo "this needs uv: pip install uv, or make venv without one" >&2 && exit 1; }
    PATH=$PWD/.venv/bin:$PATH
fi
mkdir -p build
pins=build/pins.$$
trap 'rm -f "build/constraints.$$" "$pins"' EXIT

resolve() { # what pyproject.toml asks for, within $pins
    uv pip compile pyproject.toml --constraint "$pins" --python-version 3.11 --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links --quiet "$@"
}

echo "apache-airflow~=$airflow.0" >"$pins"
echo "# Made by: make constraints AIRFLOW=$version" >"build/constraints.$$"
if [ "$version" = lowest ]; then
    names=$(sed -n '/^dependencies/,/^]/p; /^emulator = /p' pyproject.toml | grep -o '"[a-z][a-z0-9-]*>=' | tr -d '">=')
    resolve --extra emulator --resolution lowest-direct "$@" >"$pins.all"
    for name in $names; do grep "^$name==" "$pins.all"; done >"$pins"
    rm "$pins.all"
else
    set -- --universal "$@" # one file for all Pythons and platforms, with markers where they differ
fi
resolve --extra dev "$@" >>"build/constraints.$$"
mv "build/constraints.$$" "$target"
echo "$target: $(grep -c == "$target") packages"

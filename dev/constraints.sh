#!/bin/sh
# Resolve what pyproject.toml asks for, for one minor version of Airflow and every supported Python, and write it to
# constraints/airflow-VERSION.txt: `sh dev/constraints.sh 3.3`. Further arguments go to `uv pip compile`.
set -eu

version=$1
shift
# Older Airflows don't start with what was released long after them (PyJWT, pydantic), and pin no upper bounds. So
# take all as it was soon after their last release, but the shim, which users upgrade on its own, and what it needs.
case $version in
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
target=constraints/airflow-$version.txt
mkdir -p build
trap 'rm -f "build/constraints.$$"' EXIT
{
    echo "# Made by: make constraints AIRFLOW=$version"
    # --universal: one file for all Pythons and platforms, with markers where they differ.
    echo "apache-airflow~=$version.0" | uv pip compile pyproject.toml --extra dev --constraint - --universal \
        --python-version 3.11 --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet "$@"
} >"build/constraints.$$"
mv "build/constraints.$$" "$target"
echo "$target: $(grep -c == "$target") packages"

#!/bin/sh
# Evaluates the cases on stdin with Apache Spark: see spark.py. The environment is the one that
# tests/support/spark/verify.sh makes, in the user's cache; whichever comes first makes it.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
requirements=$here/../../../support/spark/requirements.txt
cache=${XDG_CACHE_HOME:-$HOME/.cache}/weir
mkdir -p "$cache"
venv=$cache/spark-$(cksum < "$requirements" | cut -d ' ' -f 1)

exec 9> "$venv.lock"
flock 9
if [ ! -e "$venv/.complete" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv" >&2
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements" >&2
    touch "$venv/.complete"
fi
flock -u 9
exec 9>&-

export SPARK_LOCAL_IP=127.0.0.1 TZ=UTC
exec "$venv/bin/python" "$here/spark.py"

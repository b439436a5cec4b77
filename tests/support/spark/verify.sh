#!/bin/sh
# Reads a Delta table with Apache Spark and Delta Lake's own connector, and prints the summary that ../python/read_delta.py prints.
#
#   verify.sh TABLE [--version N] [--compare OTHER.json]
#
# With --compare it also exits with 1, naming the differences on stderr, unless OTHER.json (read_delta.py's output) says the same.
# Needs Java 17, Python 3 with venv, Maven and flock. Spark (from requirements.txt, about 0.5 GB on disk) and Delta's jars (from pom.xml) are
# fetched once into the user's cache; a lock lets scripts that start together fetch them once.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/weir
mkdir -p "$cache"

# The names carry what the pinned versions are, so that a changed pin is a new entry.
requirements=$here/requirements.txt
venv=$cache/spark-$(cksum < "$requirements" | cut -d ' ' -f 1)
delta=$(sed -n 's:.*<delta.version>\(.*\)</delta.version>.*:\1:p' "$here/pom.xml")
jars=$cache/delta-spark-$delta

exec 9> "$venv.lock"
flock 9
if [ ! -e "$venv/.complete" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv" >&2
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements" >&2
    touch "$venv/.complete"
fi
if [ ! -d "$jars" ]; then
    staging=$(mktemp -d "$cache/.delta-spark-XXXXXX")
    # What Spark brings itself must not come twice, in another version.
    mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
        -DincludeGroupIds=io.delta,io.unitycatalog -DoutputDirectory="$staging" >&2
    mv "$staging" "$jars"
fi
flock -u 9
exec 9>&-

# All of it stays on this machine.
export SPARK_LOCAL_IP=127.0.0.1
classpath=$(printf '%s,' "$jars"/*.jar)
exec "$venv/bin/python" "$here/verify.py" --jars "${classpath%,}" "$@"

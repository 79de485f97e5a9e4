#!/bin/sh
# A container that was killed leaves DVC's lock behind; process ids start anew, so DVC cannot tell it is stale.
set -eu
rm -f .dvc/tmp/rwlock .dvc/tmp/rwlock.lock .dvc/tmp/lock
exec "$@"

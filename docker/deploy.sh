#!/usr/bin/env bash
# Puts this checkout into production while the shop serves: builds, runs the jobs, then replaces replica by replica.
#
#   docker/deploy.sh          needs docker with its compose plugin (or docker-compose), curl, flock and awk
#
# It starts what doesn't run yet, so that the first deployment is one like any other. Where something fails it ends, and
# what isn't replaced by then serves on; running it again begins anew. COMPOSE_FILE names more files, such as the one for
# TLS. `docker compose up` does none of that: it replaces all replicas at once, and with --wait it fails where a job has
# ended, however well (docker/compose#10596).
set -euo pipefail
cd "$(dirname "$0")/.."
exec 9<docker/deploy.sh
flock --nonblock 9 || { echo "another deployment is under way" >&2; exit 1; }

healthy_seconds=180
# Longer than any request may take, and than HAProxy needs to notice (stack/rolling.py).
drain_seconds=15

if docker compose version >/dev/null 2>&1; then compose() { docker compose "$@"; }; else compose() { docker-compose "$@"; }; fi
say() { printf '%s  %s\n' "$(date +%T)" "$*"; }
fail() { say "FAILED: $*" >&2; exit 1; }

services=$(compose config --services | sort)
matching() { grep -E "^($1)\$" <<<"$services" || true; }
run_job() {
  say "job: $1"
  compose run --rm --no-deps -T "$1" || fail "the job $1"
}
health() { docker inspect -f '{{if .State.Running}}{{.State.Health.Status}}{{else}}stopped{{end}}' "$(compose ps -aq "$1")" 2>/dev/null || echo missing; }
until_true() { # seconds, command ...
  local deadline=$((SECONDS + $1))
  until "${@:2}"; do
    [ $SECONDS -lt $deadline ] || return 1
    sleep 0.3
  done
}
is_healthy() { [ "$(health "$1")" = healthy ]; }
replace() { # service, options of `up` ...
  say "$1"
  compose up --detach --no-deps --no-build "${@:2}" "$1" || fail "$1 doesn't start"
  until_true $healthy_seconds is_healthy "$1" || fail "$1 isn't healthy: $(compose logs --tail 5 "$1")"
}

# What HAProxy says of the replicas: a line each, with name, status and open requests.
seen() { curl -fsS -m 5 "http://127.0.0.1:${BOOKSTORE_STATS_PORT:-8404}/;csv" | awk -F, '$1 == "api" && $2 ~ /^api-/ {print $2 "," $18 "," $5}'; }
is_up() { seen | grep -q "^$1,UP,"; }
another_is_up() { seen | grep -v "^$1," | grep -q ',UP,'; }
is_drained() { seen | grep -Eq "^$1,(NOLB|DOWN|MAINT)[^,]*,0\$"; }

draining=
# Not by `docker kill`: whom that has signalled, Docker doesn't start again when it dies.
tell() { compose exec -T "$1" sh -c "kill -$2 1"; }
trap '[ -z "$draining" ] || tell "$draining" USR2' EXIT

roll() {
  if is_healthy "$1" && is_healthy haproxy; then
    another_is_up "$1" || fail "HAProxy sees no other replica up than $1"
    draining=$1
    tell "$1" USR1
    until_true $drain_seconds is_drained "$1" || fail "$1 still gets requests after $drain_seconds s, and serves on"
    another_is_up "$1" || fail "HAProxy sees no other replica up any more than $1, which serves on"
    draining=
  fi
  replace "$1" --force-recreate
  ! is_healthy haproxy || until_true $healthy_seconds is_up "$1" || fail "HAProxy doesn't see $1 up again"
}

# A member of the replica set may go when the others have what it has.
in_office() {
  compose exec -T "$1" mongosh --quiet --norc --eval 'h = db.hello(); quit(h.isWritablePrimary || h.secondary ? 0 : 1)' >/dev/null 2>&1
}

say "building"
compose build >/dev/null || fail "the images"
run_job secrets
is_new=$([ "$(health mongo-1)" = missing ] && echo yes || echo no)
for member in $(matching 'mongo-.*'); do
  replace "$member"
  [ "$is_new" = yes ] || until_true $healthy_seconds in_office "$member" || fail "$member is neither primary nor secondary"
done
run_job replica-set
for service in $(matching 'redis-.*|mail|stripe'); do replace "$service"; done
run_job migrate
for replica in $(matching 'api-.*'); do roll "$replica"; done
for service in worker worker-money beat relay; do replace "$service"; done

before=$(compose ps -q haproxy)
replace haproxy
if [ "$before" = "$(compose ps -q haproxy)" ]; then
  say "haproxy reads its configuration again"
  tell haproxy USR2
fi
for replica in $(matching 'api-.*'); do until_true $healthy_seconds is_up "$replica" || fail "HAProxy doesn't see $replica up"; done
run_job starter-books
say "deployed"

#!/usr/bin/env bash
# Starts the composed system on a Docker engine and proves it: every container healthy, books answered through HAProxy,
# writes acknowledged again after the primary's container is killed, and none of those that were acknowledged lost; then
# deploys while clients ask, and none of them may fail.
#
#   tests/deploy/compose_proof.sh          needs docker with its compose plugin (or docker-compose), curl, openssl and python3
#
# It uses a project, ports and volumes of its own, and removes them when it ends. PROOF_KEEP=1 leaves them running.
set -euo pipefail
cd "$(dirname "$0")/../.."

export COMPOSE_PROJECT_NAME=bookstore-proof
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
BOOKSTORE_PORT=$(free_port) BOOKSTORE_STATS_PORT=$(free_port) BOOKSTORE_MAIL_PORT=$(free_port) BOOKSTORE_TLS_PORT=$(free_port)
export BOOKSTORE_PORT BOOKSTORE_STATS_PORT BOOKSTORE_MAIL_PORT BOOKSTORE_TLS_PORT
# Published ports show the engine's gateway as the client; the proof measures failover and not the rate limit.
export BOOKSTORE_TRUSTED="127.0.0.0/8 ::1 172.16.0.0/12 192.168.0.0/16 10.0.0.0/8"
export BOOKSTORE_NETWORK=10.83.78
url=http://127.0.0.1:$BOOKSTORE_PORT
folder=$(mktemp -d)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=bookstore proof" \
  -addext "subjectAltName=IP:127.0.0.1" -keyout "$folder/key.pem" -out "$folder/certificate.pem" 2>/dev/null
cat "$folder/certificate.pem" "$folder/key.pem" >"$folder/shop.pem"
chmod 755 "$folder" && chmod 644 "$folder/shop.pem"  # HAProxy's user in the container is another
export BOOKSTORE_TLS_CERT=$folder/shop.pem COMPOSE_FILE=docker-compose.yml:docker-compose.tls.yml

if docker compose version >/dev/null 2>&1; then compose() { docker compose "$@"; }; else compose() { docker-compose "$@"; }; fi
say() { printf '%s  %s\n' "$(date +%T)" "$*"; }
fail() { say "FAILED: $*"; compose ps -a 2>/dev/null || compose ps; compose logs --tail 15 | cut -c1-240 | tail -n 150; exit 1; }
finish() { [ -n "${PROOF_KEEP:-}" ] || { compose down --volumes --timeout 5 >/dev/null 2>&1; rm -r "$folder"; }; }
trap finish EXIT

container() { compose ps -q "$1"; }
# Prints one line for each container that isn't as it should be.
unwell() {
  local service id state
  for service in $(compose config --services); do
    id=$(container "$service")
    case $service in
      secrets | replica-set | migrate | starter-books)
        state=$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' ${id:-none} 2>/dev/null || echo missing)
        [ "$state" = "exited 0" ] || echo "$service: $state" ;;
      *)
        state=$(docker inspect -f '{{.State.Health.Status}}' ${id:-none} 2>/dev/null || echo missing)
        [ "$state" = healthy ] || echo "$service: $state" ;;
    esac
  done
}
wait_until_well() {
  local until=$((SECONDS + $1)) left
  while left=$(unwell) && [ -n "$left" ]; do
    [ $SECONDS -lt $until ] || fail "not healthy in $1 s: $(tr '\n' ';' <<<"$left")"
    sleep 1
  done
}

docker image inspect bookstore:local bookstore-stand-in:local >/dev/null 2>&1 || compose build
say "starting"
compose up -d || fail "compose up"
wait_until_well 180
say "every container is healthy, every job done"

count=$(curl -fsS "$url/api/v1/books?limit=1&include=total" | python3 -c 'import json, sys; print(json.load(sys.stdin)["page"]["total"]["value"])') || fail "no books"
[ "$count" -ge 300 ] || fail "only $count books"
book=$(curl -fsS "$url/api/v1/books?limit=1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["data"][0]["id"])')
say "$count books through HAProxy; the first is $(curl -fsS "$url/api/v1/books/$book" | python3 -c 'import json, sys; print(json.load(sys.stdin)["title"])')"

curl -fsS --cacert "$folder/certificate.pem" -o /dev/null -D - "https://127.0.0.1:$BOOKSTORE_TLS_PORT/api/v1/books/$book" |
  grep -qi '^strict-transport-security: max-age=' || fail "no TLS"
say "it speaks TLS"

token=$(docker exec "$(container api-1)" python -m app.account_commands token --role staff)
stock() { curl -fsS -m 15 -H "Authorization: Bearer $token" "$url/api/v1/inventory/$book" | python3 -c 'import json, sys; print(json.load(sys.stdin)["on_hand"])'; }
# Puts one copy on the shelf; prints the status.
add_one() {
  curl -s -m 15 -o /dev/null -w '%{http_code}' -X PATCH -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
    -H "Idempotency-Key: $1" -d '{"delta": 1, "reason": "delivery"}' "$url/api/v1/inventory/$book" || true
}

# Two ways to pay: with the order, and later at the gateway, which tells of it in a signed webhook.
customer=$(docker exec "$(container api-1)" python -m app.account_commands token --role customer)
[ "$(add_one proof-shelf)" = 200 ] && [ "$(add_one proof-shelf-2)" = 200 ] || fail "no copies to sell"
buy() {
  curl -s -m 15 -X POST -H "Authorization: Bearer $customer" -H 'Content-Type: application/json' -H "Idempotency-Key: $1" -d "{$2
    \"items\": [{\"book_id\": \"$book\", \"quantity\": 1}], \"shipping_address\": {\"name\": \"Ada\", \"line1\": \"12 St James's Square\",
    \"city\": \"London\", \"postal_code\": \"SW1Y 4JH\", \"country\": \"GB\"}}" "$url/api/v1/orders"
}
field() { python3 -c 'import json, sys; found = json.load(sys.stdin)
for name in sys.argv[1].split("."): found = found[name]
print(found)' "$1"; }
at_once=$(buy proof-at-once '"payment_method": "pm_card_visa",' | field status) || fail "no order"
[ "$at_once" = paid ] || fail "the order that was paid at once is $at_once"
later=$(buy proof-later '') || fail "no order"
intent=$(field payment.client_secret <<<"$later") intent=${intent%%_secret*}
docker exec "$(container stripe)" python -c "from urllib.request import Request, urlopen
urlopen(Request('http://127.0.0.1:8420/v1/payment_intents/$intent/confirm', b'payment_method=pm_card_visa', {'Authorization': 'Bearer sk_test_proof'}))" ||
  fail "the stand-in took no money"
order=$(field id <<<"$later") paid_since=$SECONDS
until [ "$(curl -fsS -m 15 -H "Authorization: Bearer $customer" "$url/api/v1/orders/$order" | field status)" = paid ]; do
  [ $((SECONDS - paid_since)) -lt 30 ] || fail "the shop never heard of the payment"
  sleep 0.5
done
say "two orders are paid, one with the order itself and one later at the stand-in for Stripe"

before=$(stock) || fail "no stock of $book"
primary=$(docker exec "$(container mongo-1)" mongosh --quiet --norc --eval 'db.hello().primary.split(":")[0]')
docker kill "$(container "$primary")" >/dev/null
killed=$(date +%s%N)
say "killed the primary, $primary"

done=0 gap=0
for number in $(seq 20); do
  until said=$(add_one "proof-$number") && [ "$said" = 200 ]; do  # again with the same key: it counts once
    say "write $number: $said, again"
    [ $(($(date +%s%N) - killed)) -lt 30000000000 ] || fail "no write in 30 s"
    sleep 0.1
  done
  done=$((done + 1))
  [ "$gap" != 0 ] || gap=$((($(date +%s%N) - killed) / 1000000))
  curl -fsS -m 15 -H 'Cache-Control: no-cache' -o /dev/null "$url/api/v1/books/$book" || fail "a read failed"
done
after=$(stock)
[ "$after" = $((before + done)) ] || fail "$done copies were acknowledged, but stock went from $before to $after"
say "first write acknowledged $gap ms after the kill; $done acknowledged, all of them there ($before to $after)"

docker start "$(container "$primary")" >/dev/null
wait_until_well 90
say "$primary is back, every container is healthy"

# POST, so that HAProxy may not try twice for it.
ask_on() {
  while [ -e "$folder/asking" ]; do
    curl -s -m 15 -o /dev/null -w '%{http_code}\n' -H 'Content-Type: application/json' -d "{\"ids\": [\"$book\"]}" "$url/api/v1/books/batch-get" || true
    sleep 0.05
  done >>"$folder/answers"
}
touch "$folder/asking"
ask_on & asking=$!
was=$(container api-1)
docker/deploy.sh || fail "the deployment"
rm "$folder/asking"
wait $asking
[ "$(container api-1)" != "$was" ] || fail "api-1 is still the old one"
failed=$(grep -vc '^200$' "$folder/answers" || true)
[ "$failed" = 0 ] || fail "$failed of $(wc -l <"$folder/answers") requests failed: $(sort "$folder/answers" | uniq -c | tr '\n' ';')"
say "deployed anew; none of $(wc -l <"$folder/answers") requests failed"

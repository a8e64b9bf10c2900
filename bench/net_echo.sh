#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Usage: bench/net_echo.sh BUILD_FOLDER [SECONDS]: both echo servers under the same load, one after the other, and the
# CPU time each spent on a request.
set -eu
build=$1
seconds=${2:-5}
script=$(mktemp)
trap 'rm -f "$script"' EXIT
printf 'wrk.method = "POST"\nwrk.body = "{\\"seed\\": 7}"\nwrk.headers["content-type"] = "application/json"\n' > "$script"
port=5490
for round in 1 2 3; do
  for server in echo_beast net_echo; do
    "$build/$server" $port & pid=$!
    sleep 0.5
    wrk -t1 -c8 -d1 -s "$script" http://127.0.0.1:$port/ > /dev/null
    before=$(awk '{print $14 + $15}' /proc/$pid/stat)
    out=$(wrk -t1 -c8 -d"$seconds" -s "$script" http://127.0.0.1:$port/)
    after=$(awk '{print $14 + $15}' /proc/$pid/stat)
    kill $pid
    wait $pid 2>/dev/null || true
    requests=$(echo "$out" | awk '/requests in/ {print $1}')
    echo "$out" | awk -v s=$server -v n="$requests" -v t=$((after - before)) -v hz="$(getconf CLK_TCK)" \
      '/Requests\/sec/ {printf "%-10s %9.0f requests/s  %5.2f us CPU a request\n", s, $2, t / hz * 1e6 / n}'
    port=$((port + 1))
  done
done

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Build a fuzz target with clang's libFuzzer and run it: resp, the parser, or
# op, commands and their options.
# usage: fuzz.sh SOURCE_ROOT resp|op SECONDS
set -eu

kv=$1/apps/kv
what=$2
seconds=$3

command -v clang >/dev/null || { echo 'there is no clang'; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
echo 'int main(void) { return 0; }' >"$dir/probe.c"
clang -fsanitize=address "$dir/probe.c" -o "$dir/probe" 2>/dev/null ||
    { echo "clang's sanitizers are not installed"; exit 77; }
sources="$kv/base/mem.c $kv/base/text.c"
case $what in
resp) sources="$sources $kv/proto/resp.c" ;;
op) sources="$sources $kv/proto/reply.c $kv/shard/op.c $kv/shard/db.c
    $kv/shard/dict.c $kv/shard/ztree.c $kv/cmd/string.c $kv/cmd/list.c
    $kv/cmd/table.c $kv/cmd/zset.c" ;;
esac
clang -std=gnu11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined \
    -fno-sanitize-recover=all -I"$kv" -I"$1/include" -o "$dir/fuzz" \
    "$1/tests/kv/fuzz_$what.c" $sources -lm -lsodium
cd "$dir"
mkdir corpus
printf '\003*2\r\n$3\r\nGET\r\n$1\r\na\r\nping\r\n' >corpus/1
printf '\001set "a\\x41" '"'b c'"'\r\n*0\r\n*-1\r\n' >corpus/2
./fuzz -max_total_time="$seconds" -max_len=70000 -print_final_stats=1 corpus

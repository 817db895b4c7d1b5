#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# own-archive.sh LD OBJCOPY AR OUT OBJECT...: an archive that keeps to itself.
# Its code is in sections of the library's own, so that it can be told from the
# code of the program that it is linked into (src/machine/linux/code.c); and it
# is one object in which all hidden symbols are local, so that a program may use
# their names.  Only what a public header marks with LWKT_API stays global.
set -e
ld=$1 objcopy=$2 ar=$3 out=$4
shift 4
dir=$out.d
rm -rf "$dir" "$out"
mkdir "$dir"
for o; do
	"$objcopy" --rename-section .text=lwkt_text \
	    --rename-section .text.hot=lwkt_text \
	    --rename-section .text.unlikely=lwkt_cold \
	    "$o" "$dir/$(basename "$o")"
done
name=$(basename "$out" .a)
"$ld" -r -o "$dir/all" "$dir"/*.o
"$objcopy" --localize-hidden "$dir/all" "$dir/$name.o"
"$ar" rcsD "$out" "$dir/$name.o"
rm -rf "$dir"

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# own-sections.sh OBJCOPY AR OUT OBJECT...: an archive of the objects with their
# code in sections of the library's own, so that it can be told from the code
# of the program that it is linked into (src/machine/linux/code.c).
set -e
objcopy=$1 ar=$2 out=$3
shift 3
dir=$out.d
rm -rf "$dir" "$out"
mkdir "$dir"
for o; do
	"$objcopy" --rename-section .text=lwkt_text \
	    --rename-section .text.hot=lwkt_text \
	    --rename-section .text.unlikely=lwkt_cold \
	    "$o" "$dir/$(basename "$o")"
done
"$ar" rcsD "$out" "$dir"/*.o
rm -rf "$dir"

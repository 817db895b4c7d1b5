/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The version the library reports is the one it was built as.
 */
#include <lwkt/boot.h>

#include "base/config.h"
#include "tap.h"

int
main(void)
{
	unsigned major, minor, patch;
	int n = 0;

	is_str(lwkt_version(), LWKT_VERSION, "version of the build");
	sscanf(lwkt_version(), "%u.%u.%u%n", &major, &minor, &patch, &n);
	ok(n > 0 && lwkt_version()[n] == '\0', "version is three numbers");
	return tap_done();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The version of the library.
 */
#include "base/config.h"

#include <lwkt/boot.h>

/* Return "MAJOR.MINOR.PATCH".  Any context; never blocks. */
const char *
lwkt_version(void)
{
	return LWKT_VERSION;
}

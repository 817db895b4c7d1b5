/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library says which version it is.
 */
#include "base/config.h"

#include <lwkt/boot.h>

const char *
lwkt_version(void)
{
	return LWKT_VERSION;
}

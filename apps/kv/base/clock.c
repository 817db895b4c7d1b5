/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clock that decides when keys end.
 */
#include "base/kv.h"

#include <time.h>

/* Return the time of day in ms since 1970. */
int64_t
kv_clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

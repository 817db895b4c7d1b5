/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of sleeping on an ident share.
 */
#ifndef LWKT_TESTS_CORE_SLEEPER_H
#define LWKT_TESTS_CORE_SLEEPER_H

#include "core/util.h"

static uint32_t cond, woken, asleep;

UTIL int
sleep_forever(const void *ident, int flags)
{
	return lwkt_tsleep(ident, flags, "test", LWKT_FOREVER);
}

/* A thread that sleeps once, as s_ident and s_flags say. */
struct sleeper {
	const void	*s_ident;
	int		 s_flags;
	int		 s_error;
	uint32_t	 s_done;
};

UTIL void
sleeper(void *arg)
{
	struct sleeper *s = arg;

	lwkt_tsleep_interlock(s->s_ident, s->s_flags);
	ADD(asleep, 1);
	lwkt_wakeup(&asleep);
	s->s_error = sleep_forever(s->s_ident, s->s_flags |
	    LWKT_PINTERLOCKED);
	STORE(s->s_done, 1);
	ADD(woken, 1);
	lwkt_wakeup(&woken);
}

#endif

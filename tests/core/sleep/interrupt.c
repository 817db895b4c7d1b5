/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lwkt_interrupt: it ends an interruptible sleep, or the next one.
 */
#include "core/sleep/sleeper.h"

static int
pcatch_body(void *arg)
{
	struct sleeper s[2] = {
		{ .s_ident = &cond, .s_flags = LWKT_PCATCH },
		{ .s_ident = &cond },
	};
	lwkt_thread_t td[2];

	(void)arg;
	STORE(woken, 0);
	STORE(asleep, 0);
	td[0] = spawn_on(1, sleeper, &s[0]);
	td[1] = spawn_on(2, sleeper, &s[1]);
	await_asleep(&asleep, 2);
	lwkt_interrupt(td[0]);
	lwkt_interrupt(td[1]);
	join(td[0]);
	check(s[0].s_error == EINTR, "error %d", s[0].s_error);
	lwkt_synchronize_ipiqs("test");
	check(!LOAD(s[1].s_done), "interrupted without LWKT_PCATCH");
	lwkt_wakeup(&cond);
	join(td[1]);
	check(s[1].s_error == 0, "error %d", s[1].s_error);
	return 0;
}

static int
pending_body(void *arg)
{
	(void)arg;
	lwkt_interrupt(lwkt_self());
	check(lwkt_tsleep(&cond, 0, "test", 1) == EWOULDBLOCK, "not asked");
	check(sleep_forever(&cond, LWKT_PCATCH) == EINTR, "pending");
	check(lwkt_tsleep(&cond, LWKT_PCATCH, "test", 1) == EWOULDBLOCK,
	    "taken once");
	lwkt_interrupt(lwkt_self());
	check(lwkt_sleep("test", LWKT_PCATCH) == EINTR, "lwkt_sleep");
	return 0;
}

static void
plain_sleeper(void *arg)
{
	int *error = arg;

	*error = lwkt_sleep("test", LWKT_PCATCH);
}

static int
plain_interrupt_body(void *arg)
{
	lwkt_thread_t td;
	int error = -1;

	(void)arg;
	td = spawn_on(1, plain_sleeper, &error);
	lwkt_interrupt(td);
	join(td);
	check(error == EINTR, "error %d", error);
	return 0;
}

int
main(void)
{
	sim_explore("an interrupt ends only an interruptible sleep",
	    pcatch_body, NULL, 100);
	sim_explore("an interrupt waits for the next interruptible sleep",
	    pending_body, NULL, 20);
	sim_explore("an interrupt ends lwkt_sleep or keeps it from beginning",
	    plain_interrupt_body, NULL, 100);
	return tap_done();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting CPUs: no wake-up is lost, deadlines come, early or late arming.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/rng.h"
#include "machine/machine_io.h"
#include "machine_util.h"

#define PASSES		(CHECKED ? 4000u : 40000u)
#define RING		6		/* CPUs, more than the cores of most */
#define MS		((int64_t)1000000)
#define HOUR		(3600 * 1000 * MS)
#define TURNS		(CHECKED ? 2000u : 20000u) /* or LWKT_ROUNDS */
#define DAWDLE		6000u
#define LOST		(10000 * MS)	/* nobody wakes the CPU any more */

static uint32_t token[RING];		/* balls that CPU i has not taken */
static uint32_t passes;
static int ncpus;
static uint32_t too_early, deadlines, spurious;

/* Wait for a bit and take it. */
static void
await(struct mcpu *mc, uint32_t bit)
{
	while ((atomic_fetchand_32(&mc->mc_reqflags, ~bit) & bit) == 0) {
		(void)machine_poll(mc, NULL, 0);
		machine_idle(mc);
	}
}

/* TSan delivers signals in calls of libc only. */
static void
deliver(void)
{
	static const struct timespec none = { 0, 0 };

	if (LWKT_TSAN)
		(void)nanosleep(&none, NULL);
}

/* The same without ever waiting in the host. */
static void
await_awake(struct mcpu *mc, uint32_t bit)
{
	while ((atomic_fetchand_32(&mc->mc_reqflags, ~bit) & bit) == 0)
		deliver();
}

/* Balls go round; before passing one on, dawdle by random lengths. */
static void
ring(struct mcpu *mc)
{
	struct rng rng = { (uint64_t)mc->mc_cpuid + 1 };
	int next = (mc->mc_cpuid + 1) % ncpus;
	uint32_t n;

	for (;;) {
		await(mc, RQF_IPIQ);
		n = atomic_swap_32(&token[mc->mc_cpuid], 0);
		if (n == 0)
			continue;
		for (uint32_t i = rng_below(&rng, 64); i > 0; i--)
			machine_pause(0);
		n = atomic_fetchadd_32(&passes, n) < PASSES ? n : 1;
		atomic_fetchadd_32(&token[next], n);
		mu_send(&mu_cpu[next], RQF_IPIQ);
		if (atomic_load_32(&passes) >= PASSES)
			break;
	}
	/* Each passes the end on, so nobody waits for ever. */
	atomic_fetchadd_32(&token[next], 1);
	mu_send(&mu_cpu[next], RQF_IPIQ);
}

static void
ring_start(struct mcpu *mc)
{
	if (mc->mc_cpuid == 0) {
		atomic_fetchadd_32(&token[0], 1);
		mu_send(mc, RQF_IPIQ);
	}
	ring(mc);
}

static void
test_ring(int n)
{
	ncpus = n;
	passes = 0;
	memset(token, 0, sizeof(token));
	is_int(on_cpus(n, ring_start), 0, "%d CPUs boot", n);
	ok(passes >= PASSES, "a ball passed %u times between %d CPUs", passes,
	    n);
}

static void
due(int64_t deadline)
{
	atomic_fetchadd_32(&deadlines, 1);
	if (machine_time_ns() + 1000 < deadline)
		atomic_fetchadd_32(&too_early, 1);
}

static void
timers(struct mcpu *mc)
{
	uint32_t called = 0;
	int64_t at;
	int in_time;

	/*
	 * At the first such call of a thread TSan makes what it keeps signals
	 * in.  It forgets a signal that arrives meanwhile.
	 */
	deliver();
	for (int i = 0; i < 20; i++) {
		at = machine_time_ns() + MS / 2;
		machine_timer_arm(at);
		if (i % 2)
			await(mc, RQF_TIMER);
		else
			await_awake(mc, RQF_TIMER);
		due(at);
	}
	/* An earlier one replaces a later one. */
	at = machine_time_ns() + MS;
	machine_timer_arm(at + HOUR);
	machine_timer_arm(at);
	await_awake(mc, RQF_TIMER);
	due(at);
	/* A later one is not lost when the host timer goes off for nothing. */
	for (int asleep = 0; asleep < 2; asleep++) {
		at = machine_time_ns() + 3 * MS;
		machine_timer_arm(at - 2 * MS);
		machine_timer_arm(at);
		do {
			if (asleep)
				await(mc, RQF_TIMER);
			else
				await_awake(mc, RQF_TIMER);
		} while (machine_time_ns() + 1000 < at);
		due(at);
	}
	/* One that has passed is due at once. */
	machine_timer_arm(1);
	await_awake(mc, RQF_TIMER);
	due(1);
	/* Disarmed: it does not come. */
	at = machine_time_ns() + MS;
	machine_timer_arm(at);
	machine_timer_arm(INT64_MAX);
	machine_timer_arm(at + 2 * MS);
	machine_timer_arm(INT64_MAX);
	in_time = machine_time_ns() < at;	/* else it was due before */
	while (machine_time_ns() < at + 4 * MS)
		called += (atomic_load_32(&mc->mc_reqflags) & RQF_TIMER) != 0;
	if (in_time)
		atomic_fetchadd_32(&spurious, called);
}

static int stayed, ended;

static void
shutdown_wakes(struct mcpu *mc)
{
	if (mc->mc_cpuid == 0) {
		while ((atomic_load_32(&mu_cpu[1].mc_reqflags) &
		    RQF_SLEEPING) == 0)
			machine_pause(1000);
		stayed = (atomic_load_32(&mu_cpu[1].mc_reqflags) &
		    RQF_WAKE) == 0;
		mu_send(&mu_cpu[1], RQF_SHUTDOWN);
		return;
	}
	while ((atomic_load_32(&mc->mc_reqflags) & RQF_SHUTDOWN) == 0)
		machine_idle(mc);
	ended = 1;
}

static uint32_t shown, saw_before, saw;

static void
poll_sees(struct mcpu *mc)
{
	if (mc->mc_cpuid == 0) {
		mu_send(mc, RQF_IPIQ);
		saw_before = (uint32_t)machine_poll(mc, &shown, 1);
		atomic_store_rel_32(&shown, 1);
		return;
	}
	while (!machine_poll(mc, &shown, 1))
		machine_pause(1000);
	saw = atomic_load_32(&shown);
}

/*
 * A CPU waits by turns in the I/O back end and on the futex: the sender must
 * ring where it waits (WO1).  It dawdles by random lengths, so that the message
 * comes at any step of falling asleep.
 */
static uint32_t rounds;			/* even */
static uint32_t awake;			/* times it woke up */
static uint32_t lost;			/* a message */
static int ends[2];			/* of a pipe */
static int reading;			/* the operation is pending */
static char byte;

static void
read_done(struct hostio *io, int64_t result)
{
	(void)io;
	reading = result != 1;
}

/* An operation is pending (1), or none is. */
static void
have_pending(struct hostio *io, int want)
{
	if (want) {
		hostio_init(io, HIO_READ, ends[0]);
		io->io_buf = &byte;
		io->io_len = 1;
		io->io_done = read_done;
		reading = 1;
		if (machine_io_try(io) == -EAGAIN)
			machine_io_submit(io);
		return;
	}
	if (write(ends[1], &byte, 1) != 1)
		abort();
	while (reading)
		(void)machine_io_poll();
}

static void
turns_sleeper(struct mcpu *mc)
{
	struct hostio io;

	for (uint32_t i = 1; i <= atomic_load_32(&rounds); i++) {
		have_pending(&io, i % 2);
		while ((atomic_fetchand_32(&mc->mc_reqflags, ~RQF_IPIQ) &
		    RQF_IPIQ) == 0) {
			machine_idle(mc);
			atomic_clear_32(&mc->mc_reqflags, RQF_INTPEND);
		}
		atomic_store_rel_32(&awake, i);
	}
}

static void
turns_sender(void)
{
	struct rng rng = { 11 };
	int64_t until;

	for (uint32_t i = 1; i <= atomic_load_32(&rounds); i++) {
		for (uint32_t n = rng_below(&rng, DAWDLE); n > 0; n--)
			cc_fence();
		mu_send(&mu_cpu[1], RQF_IPIQ);
		until = machine_time_ns() + LOST;
		while (atomic_load_acq_32(&awake) < i) {
			machine_pause(100);
			if (machine_time_ns() > until) {
				lost = i;
				atomic_store_32(&rounds, (i + 1) & ~1u);
				mu_send(&mu_cpu[1], RQF_IPIQ);
			}
		}
	}
}

static void
turns(struct mcpu *mc)
{
	if (mc->mc_cpuid == 0)
		turns_sender();
	else
		turns_sleeper(mc);
}

static void
test_turns(void)
{
	const char *s = getenv("LWKT_ROUNDS");

	rounds = s != NULL ? (uint32_t)atoi(s) & ~1u : TURNS;
	if (pipe(ends) != 0)
		abort();
	is_int(on_cpus(2, turns), 0, "two CPUs boot");
	is_int(lost, 0, "WO1: a CPU is woken where it waits");
	close(ends[0]);
	close(ends[1]);
}

static uint32_t word;
static int foreign_saw;

static void *
foreign(void *arg)
{
	(void)arg;
	while (atomic_load_acq_32(&word) == 0)
		machine_foreign_wait(&word, 0);
	foreign_saw = 1;
	return machine_oncpu();
}

static void
wakes_foreign(struct mcpu *mc)
{
	void *oncpu = mc;
	pthread_t t;

	ok(machine_oncpu() == mc && mycpu_m() == mc, "a CPU knows itself");
	if (pthread_create(&t, NULL, foreign, NULL) != 0)
		return;
	atomic_store_rel_32(&word, 1);
	machine_foreign_wake(&word);
	(void)pthread_join(t, &oncpu);
	ok(foreign_saw, "a pthread that waits on a word is woken");
	ok(oncpu == NULL, "and is no CPU, though a CPU created it");
}

int
main(void)
{
	test_ring(2);
	test_ring(RING);
	is_int(on_cpus(2, timers), 0, "CPUs with timers boot");
	ok(deadlines == 2 * 24, "every deadline came");
	is_int(too_early, 0, "none before its time");
	is_int(spurious, 0, "and none that was called off");
	is_int(on_cpus(2, shutdown_wakes), 0, "two CPUs boot");
	ok(stayed && ended, "a request to stop ends a sleep");
	is_int(on_cpus(2, poll_sees), 0, "two CPUs boot");
	is_int(saw_before, 0, "a poll ends when something is asked for");
	is_int(saw, 1, "and says so when the word has the value");
	test_turns();
	is_int(on_cpus(1, wakes_foreign), 0, "one CPU boots");
	ok(machine_oncpu() == NULL, "the caller is no CPU afterwards");
	return tap_done();
}

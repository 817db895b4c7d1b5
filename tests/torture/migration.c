/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Torture: travellers move by themselves, and letters to their ports follow
 * them; other threads sleep, and are given away and taken meanwhile.
 *
 * Conservation: letters written = read = answered; who was given away was
 * taken once, and runs where he was taken.
 */
#include <lwkt/msgport.h>

#include "core/util.h"
#include "torture/torture.h"

#define TRAVELLERS	8
#define WRITERS		6
#define PARCELS		8
#define MAXCPUS		64

struct traveller {
	lwkt_thread_t	t_td;
	uint64_t	t_read;		/* its own */
};

/*
 * Nobody schedules it but who takes it: that is the rule.  Where it sleeps and
 * who takes it is of the state: who reads the two one after the other may read
 * the GIVEN of one journey and the CPU of the next.
 */
enum { AWAKE, END, ASLEEP = 0x1000, GIVEN = 0x2000 };	/* + the CPU */

struct parcel {
	lwkt_thread_t	p_td;
	uint32_t	p_state;	/* (a) */
	int		p_to;		/* the giver's: who takes it */
};

static struct traveller tr[TRAVELLERS];
static struct parcel parcels[PARCELS];
static uint64_t written, answered, given, taken, astray;	/* (a) */

static void
parcel(void *arg)
{
	struct parcel *p = arg;

	while (!torture_over()) {
		lwkt_crit_enter();
		STORE(p->p_state, ASLEEP + (uint32_t)lwkt_cpuid());
		while (LOAD(p->p_state) != AWAKE)
			lwkt_sleep("given", 0);
		if (lwkt_cpuid() != p->p_to)
			ADD(astray, 1);
		lwkt_crit_exit();
	}
	STORE(p->p_state, END);
}

/* Give away who sleeps here, or take who was given to this CPU. */
static void
inspect(struct parcel *p, struct rng *r)
{
	uint32_t me = (uint32_t)lwkt_cpuid(), state;

	lwkt_crit_enter();
	state = LOAD(p->p_state);
	if (state == ASLEEP + me) {
		lwkt_giveaway(p->p_td);
		p->p_to = (int)rng_below(r, (uint32_t)lwkt_ncpus());
		ADD(given, 1);
		STORE(p->p_state, GIVEN + (uint32_t)p->p_to);
	} else if (state == GIVEN + me) {
		lwkt_acquire(p->p_td);
		ADD(taken, 1);
		STORE(p->p_state, AWAKE);
		lwkt_schedule(p->p_td);
	}
	lwkt_crit_exit();
}

static int
all_ended(void)
{
	int i;

	for (i = 0; i < PARCELS; i++)
		if (LOAD(parcels[i].p_state) != END)
			return 0;
	return 1;
}

static void
officer(void *arg)
{
	struct rng r = { torture_seed + 77 + (uint64_t)(uintptr_t)arg };
	int i;

	while (!all_ended()) {
		for (i = 0; i < PARCELS; i++)
			inspect(&parcels[i], &r);
		if (rng_below(&r, 4) == 0)
			lwkt_sleep_ns(rng_below(&r, 20000));
		else
			lwkt_yield();
	}
}

static void
traveller(void *arg)
{
	struct traveller *t = arg;
	struct rng r = { torture_seed + (uint64_t)(t - tr) };
	lwkt_msg_t msg;

	for (;;) {
		while ((msg = lwkt_getport(lwkt_curport())) != NULL) {
			if (msg->ms_u.i64 == 0) {
				lwkt_replymsg(msg, 0);
				return;		/* the last letter */
			}
			t->t_read++;
			lwkt_replymsg(msg, 0);
		}
		switch (rng_below(&r, 3)) {
		case 0:
			lwkt_migratecpu((int)rng_below(&r,
			    (uint32_t)lwkt_ncpus()));
			break;
		case 1:
			lwkt_sleep_ns(rng_below(&r, 5000));
			break;
		default:
			lwkt_yield();
			break;
		}
	}
}

static void
write_letter(struct traveller *t, int64_t text)
{
	struct lwkt_msg msg;

	lwkt_initmsg(&msg, lwkt_curport(), 0);
	msg.ms_u.i64 = text;
	if (lwkt_domsg(lwkt_threadport(t->t_td), &msg, 0) == 0)
		ADD(answered, text != 0);
}

static void
writer(void *arg)
{
	struct rng r = { torture_seed + 500 + (uint64_t)(uintptr_t)arg };

	while (!torture_over()) {
		ADD(written, 1);
		write_letter(&tr[rng_below(&r, TRAVELLERS)], 1);
		if (rng_below(&r, 8) == 0)
			lwkt_migratecpu((int)rng_below(&r,
			    (uint32_t)lwkt_ncpus()));
	}
}

static int
body(void *arg)
{
	lwkt_thread_t w[WRITERS], o[MAXCPUS];
	int i, n = lwkt_ncpus();
	uint64_t read = 0;

	(void)arg;
	for (i = 0; i < TRAVELLERS; i++)
		tr[i].t_td = spawn_on(i, traveller, &tr[i]);
	for (i = 0; i < PARCELS; i++)
		parcels[i].p_td = spawn_on(i, parcel, &parcels[i]);
	for (i = 0; i < n; i++)
		o[i] = spawn_on(i, officer, (void *)(uintptr_t)i);
	for (i = 0; i < WRITERS; i++)
		w[i] = spawn_on(i, writer, (void *)(uintptr_t)i);
	join_all(w, WRITERS);
	for (i = 0; i < TRAVELLERS; i++) {
		write_letter(&tr[i], 0);
		join(tr[i].t_td);
		read += tr[i].t_read;
	}
	join_all(o, n);
	for (i = 0; i < PARCELS; i++)
		join(parcels[i].p_td);
	check(written == read && read == answered, "%llu written, %llu read, "
	    "%llu answered", (unsigned long long)written,
	    (unsigned long long)read, (unsigned long long)answered);
	check(given == taken && astray == 0, "%llu given, %llu taken, %llu "
	    "astray", (unsigned long long)given, (unsigned long long)taken,
	    (unsigned long long)astray);
	diag("%llu letters, %llu given away, %lld moves",
	    (unsigned long long)written, (unsigned long long)given,
	    (long long)counter("lwkt.migrations"));
	return 0;
}

int
main(int argc, char **argv)
{
	return torture_run(argc, argv, "written = read = answered", body);
}

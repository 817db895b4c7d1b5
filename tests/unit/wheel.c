/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The wheel of timers beside a sorted array: the same timers in the same order
 * over all levels, borders and the end of time.
 */
#include <string.h>

#include "base/rng.h"
#include "kern/time/wheel_var.h"
#include "tap.h"

#define TIMERS		400
#define CROWD		100000
#define OPS		1500000
#define CHECK_EVERY	499

struct model {
	struct wheel	*m_wheel;
	struct rng	 m_rng;
	int64_t		 m_now;
	uint64_t	 m_seq;
	struct lwkt_systimer *m_order[TIMERS];	/* those that run, sorted */
	int		 m_n;
	int		 m_used[TIMERS];
	uint64_t	 m_added, m_deleted, m_fired, m_vain;
	unsigned	 m_levels;	/* bits: where timers have been */
};

static struct lwkt_systimer timer[CROWD];
static struct model model;
static int failures;

/* Says the first few only; ends in one assertion. */
static void
expect(int cond, const char *what)
{
	if (!cond && failures++ < 5)
		diag("%s, at %lld", what, (long long)model.m_now);
}

static void
nothing(const struct lwkt_systimer *st)
{
	(void)st;
}

static int
precedes(const struct lwkt_systimer *a, const struct lwkt_systimer *b)
{
	return a->st_time != b->st_time ? a->st_time < b->st_time :
	    a->st_seq < b->st_seq;
}

static void
reset(uint64_t seed)
{
	struct wheel *wh = model.m_wheel;

	if (wh == NULL && posix_memalign((void **)&wh, CACHE_LINE,
	    sizeof(*wh)) != 0)
		abort();
	memset(wh, 0, sizeof(*wh));
	memset(&model, 0, sizeof(model));
	memset(timer, 0xa5, sizeof(timer));
	model.m_wheel = wh;
	model.m_rng.r_state = seed;
	model.m_now = 1 + (int64_t)(rng_next(&model.m_rng) >> 30);
	wheel_init(wh, model.m_now);
	failures = 0;
}

static void
model_add(int i, int64_t when)
{
	struct model *m = &model;
	struct lwkt_systimer *st = &timer[i];
	int at = m->m_n;

	st->st_time = when;
	st->st_seq = m->m_seq++;
	wheel_insert(m->m_wheel, st);
	m->m_levels |= m->m_wheel->wh_levels;
	for (; at > 0 && precedes(st, m->m_order[at - 1]); at--)
		m->m_order[at] = m->m_order[at - 1];
	m->m_order[at] = st;
	m->m_n++;
	m->m_used[i] = 1;
	m->m_added++;
}

static void
model_forget(struct lwkt_systimer *st, int at)
{
	struct model *m = &model;

	m->m_n--;
	memmove(&m->m_order[at], &m->m_order[at + 1],
	    (size_t)(m->m_n - at) * sizeof(m->m_order[0]));
	m->m_used[st - timer] = 0;
	memset(st, 0xa5, sizeof(*st));	/* its storage is the owner's again */
}

static void
model_delete(int i)
{
	struct model *m = &model;
	int at;

	for (at = 0; m->m_order[at] != &timer[i]; at++)
		continue;
	wheel_remove(m->m_wheel, &timer[i]);
	model_forget(&timer[i], at);
	m->m_deleted++;
}

/* Time passes; all that is due comes, in order, and nothing else. */
static void
model_run(int64_t now)
{
	struct model *m = &model;
	struct lwkt_systimer *st;
	uint64_t before = m->m_fired;

	m->m_now = now;
	while ((st = wheel_due(m->m_wheel, now)) != NULL) {
		expect(m->m_n > 0 && st == m->m_order[0], "not the first");
		if (m->m_n == 0 || st != m->m_order[0])
			return;
		expect(st->st_time <= now, "early");
		wheel_remove(m->m_wheel, st);
		model_forget(st, 0);
		m->m_fired++;
		if (rng_below(&m->m_rng, 8) == 0 && !m->m_used[0] &&
		    now < INT64_MAX - 300000)
			model_add(0, now + rng_below(&m->m_rng, 300000));
	}
	expect(m->m_n == 0 || m->m_order[0]->st_time > now, "one is missing");
	m->m_vain += m->m_fired == before;
}

/* A time of any size, often at the border of a slot or that of another. */
static int64_t
some_time(void)
{
	struct model *m = &model;
	unsigned bits = 1 + rng_below(&m->m_rng, 63), border;
	int64_t far = (int64_t)(rng_next(&m->m_rng) >> (64 - bits)), t;

	t = m->m_now < 0 || far < INT64_MAX - m->m_now ? m->m_now + far :
	    INT64_MAX;
	switch (rng_below(&m->m_rng, 6)) {
	case 0:
		border = WHEEL_SHIFT + WHEEL_STEP * rng_below(&m->m_rng,
		    (62 - WHEEL_SHIFT) / WHEEL_STEP);
		t = (t & -((int64_t)1 << border)) +
		    (int)rng_below(&m->m_rng, 3) - 1;
		break;
	case 1:
		if (m->m_n > 0)
			t = m->m_order[rng_below(&m->m_rng,
			    (uint32_t)m->m_n)]->st_time;
		break;
	case 2:
		t = m->m_now + rng_below(&m->m_rng, 1000000);
		break;
	default:
		break;
	}
	return t;
}

static void
some_step(int deletes)
{
	struct model *m = &model;
	int i = (int)rng_below(&m->m_rng, TIMERS);
	int64_t next = wheel_next(m->m_wheel), first;

	first = m->m_n > 0 ? m->m_order[0]->st_time : INT64_MAX;
	expect(deletes ? next <= first : next == first, "the next");
	switch (rng_below(&m->m_rng, 8)) {
	case 0:
		model_run(next);
		break;
	case 1:
		model_run(m->m_now + rng_below(&m->m_rng, 400000));
		break;
	default:
		if (!m->m_used[i])
			model_add(i, some_time());
		else if (deletes)
			model_delete(i);
		break;
	}
}

/* Until hardly any time is left, again and again. */
static void
history(const char *name, int deletes)
{
	struct model *m = &model;
	uint64_t seed, added = 0, deleted = 0, fired = 0;
	unsigned levels = 0;
	int op = 0, bad = 0;

	for (seed = 1; op < OPS; seed++) {
		reset(seed);
		for (; op < OPS && m->m_now < INT64_MAX - 1000000 &&
		    failures == 0; op++) {
			some_step(deletes);
			if (op % CHECK_EVERY == 0)
				wheel_check(m->m_wheel, nothing);
		}
		model_run(INT64_MAX);
		expect(wheel_empty(m->m_wheel), "not empty");
		expect(m->m_added == m->m_deleted + m->m_fired, "lost");
		added += m->m_added;
		deleted += m->m_deleted;
		fired += m->m_fired;
		levels |= m->m_levels;
		bad += failures;
		if (bad != 0)
			break;
	}
	ok(bad == 0, "%s: %llu added, %llu deleted, %llu fired", name,
	    (unsigned long long)added, (unsigned long long)deleted,
	    (unsigned long long)fired);
	is_int(levels, (1u << WHEEL_LEVELS) - 1, "all levels were in use");
	if (deletes)
		ok(deleted > OPS / 10, "many were deleted");
}

/*
 * Who waits for wheel_next() and finds nothing has been misled by a timer that
 * was deleted, and by each of them once.
 */
static void
vain(void)
{
	struct model *m = &model;
	int op, i;

	reset(77);
	for (op = 0; op < OPS && failures == 0; op++) {
		i = (int)rng_below(&m->m_rng, TIMERS);
		if (rng_below(&m->m_rng, 3) == 0)
			model_run(wheel_next(m->m_wheel));
		else if (m->m_used[i])
			model_delete(i);
		else
			model_add(i, m->m_now + 1 + (int64_t)
			    (rng_next(&m->m_rng) >> (28 +
			    rng_below(&m->m_rng, 20))));
		if (m->m_n == 0)
			model_add(i, m->m_now + 1000);
	}
	ok(failures == 0 && m->m_vain <= m->m_deleted, "%llu waits in vain, "
	    "%llu deleted", (unsigned long long)m->m_vain,
	    (unsigned long long)m->m_deleted);
}

/* The first added comes first, though it has come down from higher up. */
static void
equal_times(void)
{
	struct model *m = &model;
	int64_t end;
	int i;

	reset(1);
	end = m->m_now + (INT64_C(1) << 50);
	for (i = 1; i < 60; i++) {
		model_add(i, end);
		if (i < 50)
			model_run(end - (INT64_C(1) << (50 - i)));
	}
	is_int(m->m_fired, 0, "none is early");
	model_run(end);
	ok(failures == 0 && m->m_fired >= 59, "equal times come as added");
}

/* A crowd within a slot, in whatever order: sorted. */
static void
crowd(void)
{
	struct model *m = &model;
	struct lwkt_systimer *st, *prev = NULL;
	int64_t base;
	int i, n = 0, bad = 0;

	reset(3);
	base = ((m->m_now >> WHEEL_SHIFT) + 5) << WHEEL_SHIFT;
	for (i = 0; i < CROWD; i++) {
		timer[i].st_time = base + rng_below(&m->m_rng, 5000);
		timer[i].st_seq = (uint64_t)i;
		wheel_insert(m->m_wheel, &timer[i]);
	}
	wheel_check(m->m_wheel, nothing);
	while ((st = wheel_due(m->m_wheel, base + 5000)) != NULL) {
		if (n == 0)
			wheel_check(m->m_wheel, nothing);
		bad += prev != NULL && !precedes(prev, st);
		wheel_remove(m->m_wheel, prev = st);
		n++;
	}
	is_int(n, CROWD, "a crowd in a slot comes whole");
	is_int(bad, 0, "and in order");
}

/* All of a slot, deleted forwards, backwards and from the middle. */
static void
deleting(int step, const char *how)
{
	struct model *m = &model;
	int i, at, n = 10007;		/* a prime: every step visits all */

	reset(4);
	for (i = 0; i < n; i++) {
		timer[i].st_time = m->m_now + 50000000 + i % 1000;
		timer[i].st_seq = (uint64_t)i;
		wheel_insert(m->m_wheel, &timer[i]);
		if (i % 7 == 0) {	/* some come while others go */
			wheel_remove(m->m_wheel, &timer[i / 2]);
			wheel_insert(m->m_wheel, &timer[i / 2]);
		}
	}
	for (i = at = 0; i < n; i++, at = (at + step) % n) {
		if (i % 1000 == 0)
			wheel_check(m->m_wheel, nothing);
		wheel_remove(m->m_wheel, &timer[at]);
		memset(&timer[at], 0xa5, sizeof(timer[at]));
	}
	ok(wheel_empty(m->m_wheel), "deleted %s", how);
	wheel_check(m->m_wheel, nothing);
}

int
main(void)
{
	history("added only", 0);
	history("added and deleted", 1);
	vain();
	equal_times();
	crowd();
	deleting(1, "first come first");
	deleting(10006, "last come first");
	deleting(4999, "from everywhere");
	return tap_done();
}

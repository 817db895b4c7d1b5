/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The queue of a CPU's timers: a sorted list of the timers that are due next,
 * and slots for later timers.
 *
 * THEORY
 * Timers of sleeping threads lie on the threads' stacks, each on a different
 * page that has left the caches long ago.  Reading one such timer costs more
 * than everything else that is done with it.  So an insertion in a slot reads
 * no other timer.  It only changes the slot of the timer's time, which is a
 * cache line of the wheel.
 *
 * The wheel has a clock, wh_now, that counts slots of level 0.  Timers in the
 * slot of the clock or before it are in a list in exact order; the others are
 * in slots.  A level is a circle of WHEEL_SLOTS slots that begins at the clock;
 * it reaches that many slots into the future.  A slot of the next level is
 * 2^WHEEL_STEP times as long.  A timer is put in the lowest level that reaches
 * as far as its time, and stays there until its slot is opened.  The levels,
 * except in the hard build, where they are shorter:
 *
 *	level	slot	reaches		level	slot	reaches
 *	0	131 us	134 ms		5	73 min	52 days
 *	1	4.2 ms	4.3 s		6	39 h	4.5 years
 *	2	134 ms	137 s		7	52 d	146 years
 *	3	4.3 s	73 min		8	4.5 y	the end of time
 *	4	137 s	39 h
 *
 * When time reaches a slot in use, the slot is opened: the clock moves there.
 * The timers of a slot of level 0 are sorted and become the list.  The timers
 * of a higher level move to slots of lower levels.  A slot is no longer than
 * the reach of the level two below, so a timer moves at most once for every two
 * levels: a timeout of 100 ms never, one of a minute once.  Timers of the same
 * time can be in different levels; the sequence number decides their order.
 *
 * A slot is six chains, singly linked lists to which timers are added in turn.
 * Opening a slot waits for the memory of each of its timers.  With six chains,
 * six timers are fetched at once.
 *
 * A timer is pushed before the head of its chain.  The push does not set
 * st_prev of the old head, because that would touch another timer.  The links
 * st_prev are set when one is first needed: to delete a timer that is not the
 * head and has none.  Then the chain is walked from its head, setting st_prev
 * of each successor, to the first timer whose successor has its st_prev
 * already.  After that timer all links exist.  So the walks pass a timer at
 * most once while it is in the chain.  A timeout that is deleted soon after its
 * start is often still the head and needs no link.
 *
 * No code walks over empty slots.  Each level has a bit for each slot and a bit
 * for each word of those bits, and the wheel has a bit for each level.  A slot
 * stores the least time of the timers put in it, ws_min, so the time of the
 * next timer is known without opening a slot.  Deleting a timer does not search
 * for the new least time, so ws_min may be too early but never too late.  If
 * the host's deadline comes too early because of that, the slot is opened, and
 * no timer is due.
 *
 * The clock moves only when wheel_due() is called.  A timer added long after
 * the last call may lie in a higher level than necessary, and move more often.
 *
 * The list covers one slot, 131 us, and is usually short.  In case it is long,
 * the place of a new timer is searched from both ends at once.  Nearly every
 * timer goes to one of the ends.
 *
 * The newest timer is put in no list or slot until the next one is added or
 * wheel_due() is called.  So a timeout that is deleted before that costs next
 * to nothing.
 *
 * INVARIANTS (t: the time of a timer, counted in slots of level 0)
 * WH1 A timer other than wh_newest is in the list if t <= wh_now, else in a
 *     slot.  The list is ordered by (time, sequence number).
 * WH2 Counted in slots of level l, the time of a timer in level l is later than
 *     the clock, by 1 to WHEEL_SLOTS - 1.  So all times of a slot belong to the
 *     same round of the circle.
 * WH3 ws_count = timers in the six chains; bit in wh_map <=> ws_count > 0; bit
 *     in wh_words <=> word of wh_map != 0; bit in wh_levels <=> wh_words != 0.
 * WH4 In a slot in use, ws_min <= the time of each timer, and ws_min is itself
 *     a time of that slot.
 * WH5 In a chain, st_prev is the predecessor if there is one and it has
 *     WHERE_LINKED, else NULL.  The successor of a timer with WHERE_LINKED has
 *     WHERE_LINKED too, unless the successor is the last of the chain.
 *
 * Source: Varghese and Lauck, Hashed and Hierarchical Timing Wheels (1987).
 * The two-ended search is DragonFly's.  Levels that overlap, chains filled in
 * turn and links made late are ours.
 */
#include "kern/time/wheel_var.h"

#include "base/kassert.h"

CTASSERT(sizeof(struct wheel_slot) == CACHE_LINE, "a slot is a line");
CTASSERT(WHEEL_SHIFT + WHEEL_STEP * (WHEEL_LEVELS - 1) + WHEEL_BITS >= 63,
    "the wheel reaches to the end of time");
CTASSERT(WHEEL_BITS >= 2 * WHEEL_STEP, "a slot falls two levels at once");
CTASSERT(WHEEL_WORDS <= 32, "a level's words are bits of wh_words");

#define RUNS_MAX	33		/* the bits of ws_count, and one */

/*
 * st_where tells where a timer is: 0 in the list, another value in a chain.  It
 * is WHERE_CHAINS times the index of the slot, plus the number of the chain,
 * plus 1; WHERE_LINKED is a flag in it.  st_where of wh_newest is not valid.
 */
#define WHERE_LIST	0u
#define WHERE_CHAINS	8u		/* WHEEL_CHAINS, rounded up */
#define WHERE_LINKED	0x80000000u	/* st_next->st_prev is set (WH5) */

static inline uint32_t
where_chain(unsigned slot, unsigned chain)
{
	return slot * WHERE_CHAINS + chain + 1;
}

/*
 * Return the index in wh_slot of the slot that has the time t, counted in slots
 * of the level.
 */
static inline unsigned
slot_index(unsigned level, int64_t t)
{
	return level * WHEEL_SLOTS + (unsigned)t % WHEEL_SLOTS;
}

/* Return 1 if a is due before b, or at the same time and was added first. */
static inline int
before(const struct lwkt_systimer *a, const struct lwkt_systimer *b)
{
	return a->st_time < b->st_time ||
	    (a->st_time == b->st_time && a->st_seq < b->st_seq);
}

/*
 * Insert st in the list, in order.  `at` moves from the head and `prev` from
 * the tail until one of them finds the place.
 */
static __lwkt_noinline void
list_insert(struct wheel *wh, struct lwkt_systimer *st)
{
	struct lwkt_systimer *at = wh->wh_first, *prev = wh->wh_last;

	if (prev == NULL || before(prev, st)) {
		at = NULL;
	} else {
		while (!before(st, at) && !before(prev->st_prev, st)) {
			at = at->st_next;
			prev = prev->st_prev;
		}
		if (before(st, at))
			prev = at;
		at = prev;
		prev = at->st_prev;
	}
	st->st_where = WHERE_LIST;
	st->st_next = at;
	st->st_prev = prev;
	*(prev != NULL ? &prev->st_next : &wh->wh_first) = st;
	*(at != NULL ? &at->st_prev : &wh->wh_last) = st;
}

static inline void
list_remove(struct wheel *wh, struct lwkt_systimer *st)
{
	struct lwkt_systimer *next = st->st_next, *prev = st->st_prev;

	*(prev != NULL ? &prev->st_next : &wh->wh_first) = next;
	*(next != NULL ? &next->st_prev : &wh->wh_last) = prev;
}

/* Merge the sorted lists a and b, linked by st_next only; return the result. */
static struct lwkt_systimer *
list_merge(struct lwkt_systimer *a, struct lwkt_systimer *b)
{
	struct lwkt_systimer *first, **lastp = &first;

	while (a != NULL && b != NULL) {
		if (before(a, b)) {
			*lastp = a;
			lastp = &a->st_next;
			a = a->st_next;
		} else {
			*lastp = b;
			lastp = &b->st_next;
			b = b->st_next;
		}
	}
	*lastp = a != NULL ? a : b;
	return first;
}

/*
 * Sort a list linked by st_next, and return it.  run[i] is NULL or a sorted
 * list of 2^i timers.  As a carry in a binary counter, each new timer merges
 * the lists run[0], run[1], ... up to the first i whose run[i] is NULL.
 */
static struct lwkt_systimer *
list_sort(struct lwkt_systimer *st)
{
	struct lwkt_systimer *run[RUNS_MAX], *next, *all = NULL;
	unsigned i, n = 0;

	for (; st != NULL; st = next) {
		next = st->st_next;
		st->st_next = NULL;
		for (i = 0; i < n && run[i] != NULL; i++) {
			st = list_merge(run[i], st);
			run[i] = NULL;
		}
		if (i == n)
			n++;
		run[i] = st;
	}
	for (i = 0; i < n; i++)
		all = list_merge(run[i], all);
	return all;
}

/* Make the sorted list st the wheel's list, which is empty on entry. */
static void
list_set(struct wheel *wh, struct lwkt_systimer *st)
{
	struct lwkt_systimer *prev = NULL;

	wh->wh_first = st;
	for (; st != NULL; st = st->st_next) {
		st->st_prev = prev;
		st->st_where = WHERE_LIST;
		prev = st;
	}
	wh->wh_last = prev;
}

/* Set the bits of a slot, which is no longer empty. */
static inline void
slot_mark(struct wheel *wh, unsigned slot)			/* WH3 */
{
	unsigned level = slot / WHEEL_SLOTS;

	wh->wh_map[slot / 64] |= UINT64_C(1) << slot % 64;
	wh->wh_words[level] |= 1u << slot / 64 % WHEEL_WORDS;
	wh->wh_levels |= 1u << level;
}

/* Clear the bits of a slot, which has become empty. */
static inline void
slot_unmark(struct wheel *wh, unsigned slot)			/* WH3 */
{
	unsigned level = slot / WHEEL_SLOTS;

	if ((wh->wh_map[slot / 64] &= ~(UINT64_C(1) << slot % 64)) != 0)
		return;
	if ((wh->wh_words[level] &= ~(1u << slot / 64 % WHEEL_WORDS)) != 0)
		return;
	wh->wh_levels &= ~(1u << level);
}

/* Push st on the next chain of a slot.  Touches no timer but st. */
static inline void
slot_push(struct wheel *wh, unsigned slot, struct lwkt_systimer *st)
{
	struct wheel_slot *ws = &wh->wh_slot[slot];
	unsigned chain;

	if (ws->ws_count == 0) {
		slot_mark(wh, slot);
		ws->ws_min = st->st_time;
	} else if (st->st_time < ws->ws_min) {
		ws->ws_min = st->st_time;			/* WH4 */
	}
	chain = ws->ws_count++ % WHEEL_CHAINS;
	st->st_where = where_chain(slot, chain);
	st->st_prev = NULL;					/* WH5 */
	st->st_next = ws->ws_chain[chain];
	ws->ws_chain[chain] = st;
}

/*
 * Put st in the list if its time is in the slot of the clock or before it, else
 * in a slot of the lowest level that reaches as far as its time.
 */
void
wheel_place(struct wheel *wh, struct lwkt_systimer *st)
{
	int64_t t = st->st_time >> WHEEL_SHIFT, now = wh->wh_now;
	unsigned level = 0;

	if (t <= now) {						/* WH1 */
		list_insert(wh, st);
		return;
	}
	for (; t - now >= WHEEL_SLOTS; level++) {		/* WH2 */
		t >>= WHEEL_STEP;
		now >>= WHEEL_STEP;
	}
	slot_push(wh, slot_index(level, t), st);
}

/*
 * Set the missing st_prev of the timers of a chain (WH5).  st is the head.  The
 * walk ends at the first timer with WHERE_LINKED: from there on all st_prev are
 * set.  So the walks pass a timer at most once while it is in the chain.
 */
static __lwkt_noinline void
chain_link(struct lwkt_systimer *st)
{
	struct lwkt_systimer *next;

	while ((next = st->st_next) != NULL &&
	    (st->st_where & WHERE_LINKED) == 0) {
		st->st_where |= WHERE_LINKED;
		next->st_prev = st;
		st = next;
	}
}

/*
 * Remove st from its chain.  If st has WHERE_LINKED, st_prev of its successor
 * points to st, and gets the predecessor of st (NULL if st is the head).  Else
 * the successor's st_prev is NULL, and stays so (WH5).
 */
static inline void
chain_remove(struct lwkt_systimer **headp, struct lwkt_systimer *st)
{
	struct lwkt_systimer *next = st->st_next;

	if (st == *headp) {
		*headp = next;
	} else {
		if (st->st_prev == NULL)
			chain_link(*headp);
		st->st_prev->st_next = next;
	}
	if (next != NULL && (st->st_where & WHERE_LINKED) != 0)
		next->st_prev = st->st_prev;
}

void
wheel_unplace(struct wheel *wh, struct lwkt_systimer *st)
{
	unsigned at = (st->st_where & ~WHERE_LINKED) - 1;
	struct wheel_slot *ws = &wh->wh_slot[at / WHERE_CHAINS];

	if (st->st_where == WHERE_LIST) {
		list_remove(wh, st);
		return;
	}
	chain_remove(&ws->ws_chain[at % WHERE_CHAINS], st);
	if (--ws->ws_count == 0)
		slot_unmark(wh, at / WHERE_CHAINS);
}

/*
 * Empty a slot and return its timers, linked by st_next; NULL if it was empty.
 * One timer of each chain is taken in turn.  Taking a timer prefetches the next
 * timer of its chain, which arrives while timers of the other chains are taken.
 * The memory that st_arg points to is prefetched too, for the timer's function.
 */
static struct lwkt_systimer *
slot_take(struct wheel *wh, unsigned slot)
{
	struct wheel_slot *ws = &wh->wh_slot[slot];
	struct lwkt_systimer *all = NULL, *st;
	uint32_t left = ws->ws_count;
	unsigned i;

	if (left == 0)
		return NULL;
	while (left > 0) {
		for (i = 0; i < WHEEL_CHAINS; i++) {
			if ((st = ws->ws_chain[i]) == NULL)
				continue;
			ws->ws_chain[i] = st->st_next;
			__builtin_prefetch(st->st_next);
			__builtin_prefetch(st->st_arg);
			st->st_next = all;
			all = st;
			left--;
		}
	}
	ws->ws_count = 0;
	slot_unmark(wh, slot);
	return all;
}

/*
 * Return the position of the first slot in use of a level: its time, counted in
 * slots of the level.  The level must have a slot in use.  The search begins at
 * the slot of the clock, which is empty (WH2).
 */
static int64_t
level_first(const struct wheel *wh, unsigned level)
{
	const uint64_t *map = &wh->wh_map[level * WHEEL_WORDS];
	int64_t now = wh->wh_now >> WHEEL_STEP * level;
	unsigned from = (unsigned)now % WHEEL_SLOTS, word = from / 64, slot;
	uint64_t bits = map[word] >> from % 64;
	uint32_t words;

	if (bits != 0)
		return now + __builtin_ctzll(bits);
	words = wh->wh_words[level] & ~((2u << word) - 1);
	if (words == 0)
		words = wh->wh_words[level];	/* the circle wraps to word 0 */
	word = (unsigned)__builtin_ctz(words);
	slot = word * 64 + (unsigned)__builtin_ctzll(map[word]);
	return now + (slot - from) % WHEEL_SLOTS;
}

/*
 * Return the earliest time, in slots of level 0, at which a slot in use of any
 * level begins.  Return INT64_MAX if no slot is in use.
 */
static int64_t
wheel_first(const struct wheel *wh)
{
	uint32_t levels = wh->wh_levels;
	int64_t begin, first = INT64_MAX;
	unsigned level;

	for (; levels != 0; levels &= levels - 1) {
		level = (unsigned)__builtin_ctz(levels);
		begin = level_first(wh, level) << WHEEL_STEP * level;
		if (begin < first)
			first = begin;
	}
	return first;
}

/*
 * Move the clock to `begin`, where the first slot in use begins.  Open the
 * slots of all levels that begin there, from the highest level down.  Their
 * timers that belong to the clock's slot of level 0 are gathered in that slot,
 * in spite of WH1 and WH2.  At the end these timers are sorted and become the
 * list, which is empty on entry.
 */
static void
wheel_open(struct wheel *wh, int64_t begin)
{
	struct lwkt_systimer *st, *next;
	unsigned level;

	wh->wh_now = begin;
	for (level = WHEEL_LEVELS - 1; level > 0; level--) {
		if ((wh->wh_levels >> level & 1) == 0)
			continue;
		st = slot_take(wh, slot_index(level,
		    begin >> WHEEL_STEP * level));
		for (; st != NULL; st = next) {
			next = st->st_next;
			if (st->st_time >> WHEEL_SHIFT == begin)
				slot_push(wh, slot_index(0, begin), st);
			else
				wheel_place(wh, st);
		}
	}
	list_set(wh, list_sort(slot_take(wh, slot_index(0, begin))));
}

struct lwkt_systimer *
wheel_due(struct wheel *wh, int64_t now_ns)
{
	int64_t t = now_ns >> WHEEL_SHIFT, begin;
	struct lwkt_systimer *st;

	if ((st = wh->wh_newest) != NULL) {			/* WH1 */
		wh->wh_newest = NULL;
		wheel_place(wh, st);
	}
	while ((st = wh->wh_first) == NULL) {
		begin = wheel_first(wh);
		if (begin > t) {
			if (t > wh->wh_now)
				wh->wh_now = t;
			return NULL;
		}
		wheel_open(wh, begin);
	}
	return st->st_time <= now_ns ? st : NULL;
}

int64_t
wheel_next(const struct wheel *wh)
{
	uint32_t levels = wh->wh_levels;
	int64_t next = INT64_MAX;
	const struct wheel_slot *ws;
	unsigned level;

	if (wh->wh_newest != NULL)
		next = wh->wh_newest->st_time;
	if (wh->wh_first != NULL)
		return wh->wh_first->st_time < next ?
		    wh->wh_first->st_time : next;
	for (; levels != 0; levels &= levels - 1) {
		level = (unsigned)__builtin_ctz(levels);
		ws = &wh->wh_slot[slot_index(level, level_first(wh, level))];
		if (ws->ws_min < next)
			next = ws->ws_min;
	}
	return next;
}

/* Check the list (WH1), and call fn for each of its timers. */
static void
list_check(const struct wheel *wh, void (*fn)(const struct lwkt_systimer *))
{
	const struct lwkt_systimer *st, *prev = NULL;

	for (st = wh->wh_first; st != NULL; prev = st, st = st->st_next) {
		fn(st);
		KASSERTF(prev == NULL || before(prev, st),
		    "timer %p is before an earlier one in the list",
		    (const void *)st);				/* WH1 */
		KASSERTF(st->st_prev == prev && st->st_where == WHERE_LIST &&
		    st->st_time >> WHEEL_SHIFT <= wh->wh_now,
		    "timer %p does not belong on the wheel's list at %lld, "
		    "time %lld, where %u", (const void *)st,
		    (long long)wh->wh_now, (long long)st->st_time,
		    st->st_where);				/* WH1 */
	}
	KASSERTF(wh->wh_last == prev, "wheel %p: the end of its list is wrong",
	    (const void *)wh);
}

/* Check a chain (WH2, WH4, WH5), calling fn; return the number of timers. */
static uint32_t
chain_check(const struct wheel *wh, unsigned slot, unsigned chain,
    void (*fn)(const struct lwkt_systimer *))
{
	const struct wheel_slot *ws = &wh->wh_slot[slot];
	const struct lwkt_systimer *st, *prev = NULL;
	unsigned step = slot / WHEEL_SLOTS * WHEEL_STEP;
	int64_t t, dist;
	uint32_t n = 0;
	int linked = 0;

	for (st = ws->ws_chain[chain]; st != NULL; st = st->st_next) {
		fn(st);
		t = st->st_time >> WHEEL_SHIFT >> step;
		dist = t - (wh->wh_now >> step);
		KASSERTF(t % WHEEL_SLOTS == slot % WHEEL_SLOTS && dist > 0 &&
		    dist < WHEEL_SLOTS && st->st_time >= ws->ws_min,
		    "timer %p is in the wrong slot, %u, at %lld, time %lld",
		    (const void *)st, slot, (long long)wh->wh_now,
		    (long long)st->st_time);			/* WH2 WH4 */
		KASSERTF(st->st_prev == (linked ? prev : NULL) &&
		    (st->st_where & ~WHERE_LINKED) == where_chain(slot, chain)
		    && (!linked || (st->st_where & WHERE_LINKED) != 0 ||
		    st->st_next == NULL), "timer %p: a link is wrong: slot %u, "
		    "where %#x", (const void *)st, slot,
		    st->st_where);				/* WH5 */
		linked = (st->st_where & WHERE_LINKED) != 0;
		prev = st;
		n++;
	}
	return n;
}

/* Check a slot whose bit in wh_map is set, and its chains. */
static void
slot_check(const struct wheel *wh, unsigned slot,
    void (*fn)(const struct lwkt_systimer *))
{
	uint32_t count = wh->wh_slot[slot].ws_count, n = 0;
	unsigned chain;

	for (chain = 0; chain < WHEEL_CHAINS; chain++)
		n += chain_check(wh, slot, chain, fn);
	KASSERTF(n > 0 && n == count, "wheel %p: slot %u has %u timers, count "
	    "%u", (const void *)wh, slot, n, count);		/* WH3 */
}

/* Check the bits of a level (WH3), and each slot whose bit is set. */
static void
level_check(const struct wheel *wh, unsigned level,
    void (*fn)(const struct lwkt_systimer *))
{
	unsigned word, at;
	uint64_t bits;

	KASSERTF((wh->wh_levels >> level & 1) == (wh->wh_words[level] != 0),
	    "wheel %p: the bit of level %u is wrong", (const void *)wh,
	    level);	/* WH3 */
	for (word = 0; word < WHEEL_WORDS; word++) {
		at = level * WHEEL_WORDS + word;
		bits = wh->wh_map[at];
		KASSERTF((wh->wh_words[level] >> word & 1) == (bits != 0),
		    "wheel %p: the bit of level %u, word %u, is wrong",
		    (const void *)wh, level, word);		/* WH3 */
		for (; bits != 0; bits &= bits - 1)
			slot_check(wh, at * 64 +
			    (unsigned)__builtin_ctzll(bits), fn);
	}
}

void
wheel_check(const struct wheel *wh, void (*fn)(const struct lwkt_systimer *))
{
	unsigned level;

	if (wh->wh_newest != NULL)
		fn(wh->wh_newest);
	list_check(wh, fn);
	for (level = 0; level < WHEEL_LEVELS; level++)
		level_check(wh, level, fn);
}

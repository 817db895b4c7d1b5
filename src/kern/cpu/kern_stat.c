/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters and trace rings of the CPUs, and the environment variables that set
 * tunables and trace groups.
 *
 * THEORY
 * The declarations of counters and tunables (base/stat_decl.h) lie in linker
 * sections.  At boot each CPU gets a copy of the counter section and a trace
 * ring in the arena.  Boot and shutdown read these environment variables:
 *
 *	LWKT_TUNE=name=value,name=value	 values of tunables
 *	LWKT_TRACE=MASK			 groups of enum ktr_group, a number
 *	LWKT_DEBUG=stats		 counters on stderr at shutdown
 *
 * If a tunable's name or value or the mask is wrong, lwkt_boot() fails with
 * EINVAL.  Each boot first sets all tunables and the mask to their defaults, so
 * nothing is left from an earlier boot.
 */
#include "kern/cpu/ktr_rec.h"
#include "kern/cpu/stat_var.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

extern uint64_t __start_lwkt_cnt[], __stop_lwkt_cnt[];
extern const struct counter_decl __start_lwkt_cntdecl[];
extern const struct counter_decl __stop_lwkt_cntdecl[];
extern const struct tunable_decl __start_lwkt_tunable[];
extern const struct tunable_decl __stop_lwkt_tunable[];

uint32_t lwkt__ktr_mask = KTR_DEFAULT;

/* Return the size of one copy of the counters. */
static size_t
cnt_bytes(void)
{
	return (size_t)((char *)__stop_lwkt_cnt - (char *)__start_lwkt_cnt);
}

/* Return how many bytes stat_place() needs for one CPU. */
size_t
stat_bytes(void)
{
	return roundup2(cnt_bytes(), (size_t)CACHE_LINE) +
	    sizeof(struct ktr_ring);
}

/*
 * Place the counters and the trace ring of gd in mem, which has stat_bytes()
 * bytes and is zeroed.
 */
void
stat_place(struct globaldata *gd, void *mem)
{
	gd->gd_cnt = mem;
	gd->gd_cntbias = (uintptr_t)mem - (uintptr_t)__start_lwkt_cnt;
	gd->gd_ktr = (struct ktr_ring *)(void *)((char *)mem +
	    roundup2(cnt_bytes(), (size_t)CACHE_LINE));
}

/*
 * Write event ev with the arguments a and b to the ring of the calling CPU.
 * The index is stored last, with release: a reader that sees the new index sees
 * the record.  Also pass the event to the host (machine_trace).
 */
void
ktr_record(struct globaldata *gd, const struct ktr_event *ev, uint64_t a,
    uint64_t b)
{
	struct ktr_ring *kr = gd->gd_ktr;
	struct ktr_rec *rec = &kr->kr_rec[kr->kr_index % KTR_ENTRIES];

	rec->kt_time = machine_time_ns();
	rec->kt_event = ev;
	rec->kt_a = a;
	rec->kt_b = b;
	atomic_poke_rel_64(&kr->kr_index, kr->kr_index + 1);
	machine_trace(ev->ke_name, ev->ke_fmt, a, b);
}

/* Return the tunable whose name is the len bytes at name; NULL if none is. */
static const struct tunable_decl *
tunable_find(const char *name, size_t len)
{
	const struct tunable_decl *tu;

	for (tu = __start_lwkt_tunable; tu < __stop_lwkt_tunable; tu++)
		if (strlen(tu->tu_name) == len &&
		    memcmp(tu->tu_name, name, len) == 0)
			return tu;
	return NULL;
}

/*
 * Return the value of tu that the len bytes at s stand for: the index of a name
 * if tu has names, else a number.  If the bytes are no such name or number,
 * return -1, which no tunable allows.
 */
static long
tunable_value(const struct tunable_decl *tu, const char *s, size_t len)
{
	char *end;
	long value;

	if (tu->tu_names != NULL) {
		for (value = 0; tu->tu_names[value] != NULL; value++)
			if (strlen(tu->tu_names[value]) == len &&
			    memcmp(tu->tu_names[value], s, len) == 0)
				return value;
		return -1;
	}
	errno = 0;
	value = strtol(s, &end, 0);
	return errno == 0 && len > 0 && end == s + len ? value : -1;
}

/*
 * Set a tunable as item says: "name=value", len bytes.  Return 0.  If name or
 * value is wrong, print a line on stderr and return EINVAL.
 */
static int
tunable_set(const char *item, size_t len)
{
	const struct tunable_decl *tu;
	const char *eq = memchr(item, '=', len);
	long value;

	if (eq == NULL || (tu = tunable_find(item,
	    (size_t)(eq - item))) == NULL) {
		lwkt_printf("lwkt: LWKT_TUNE: no tunable \"%.*s\" "
		    "(lwkt-tune(7) lists them)", (int)len, item);
		return EINVAL;
	}
	value = tunable_value(tu, eq + 1, (size_t)(item + len - eq - 1));
	if (value < tu->tu_min || value > tu->tu_max) {
		if (tu->tu_names != NULL)
			lwkt_printf("lwkt: LWKT_TUNE: %.*s: unknown value "
			    "(%s)", (int)len, item, tu->tu_desc);
		else
			lwkt_printf("lwkt: LWKT_TUNE: %.*s: must be %d to %d "
			    "(%s)", (int)len, item, tu->tu_min, tu->tu_max,
			    tu->tu_desc);
		return EINVAL;
	}
	*tu->tu_var = (int)value;
	return 0;
}

/*
 * Set the mask of trace groups to LWKT_TRACE, or to its default if the variable
 * is not set or empty.  Return 0.  If the value is wrong, print a line on
 * stderr and return EINVAL.
 */
static int
trace_set(void)
{
	const char *s = getenv("LWKT_TRACE");
	unsigned long mask;
	char *end;

	lwkt__ktr_mask = KTR_DEFAULT;
	if (s == NULL || *s == '\0')
		return 0;
	errno = 0;
	mask = strtoul(s, &end, 0);
	if (errno != 0 || *end != '\0' || mask > KTR_ALL) {
		lwkt_printf("lwkt: LWKT_TRACE=%s: must be a number from 0 to "
		    "%#x", s, KTR_ALL);
		return EINVAL;
	}
	lwkt__ktr_mask = (uint32_t)mask;
	return 0;
}

/*
 * Set the tunables and the mask of trace groups: first to their defaults, then
 * from the environment.  Return 0, or EINVAL if a variable is wrong.  Boot,
 * before the CPUs start.
 */
int
stat_boot(void)
{
	const struct tunable_decl *tu;
	const char *s;
	size_t len;
	int error;

	for (tu = __start_lwkt_tunable; tu < __stop_lwkt_tunable; tu++)
		*tu->tu_var = tu->tu_default;
	if ((error = trace_set()) != 0)
		return error;
	for (s = getenv("LWKT_TUNE"); s != NULL && *s != '\0'; s += len) {
		if (*s == ',')
			s++;
		len = strcspn(s, ",");
		if (len > 0 && (error = tunable_set(s, len)) != 0)
			return error;
	}
	return 0;
}

/*
 * Print each counter, summed over all CPUs, on stderr if LWKT_DEBUG contains
 * "stats".  Called when the CPUs have stopped, or a boot hook has failed.
 */
void
stat_shutdown(void)
{
	const struct counter_decl *cd;
	const char *debug = getenv("LWKT_DEBUG");
	uint64_t sum;
	int cpu;

	if (debug == NULL || strstr(debug, "stats") == NULL)
		return;
	for (cd = __start_lwkt_cntdecl; cd < __stop_lwkt_cntdecl; cd++) {
		sum = 0;
		for (cpu = 0; cpu < lwkt__ncpus; cpu++)
			sum += gd_find(cpu)->gd_cnt[cd->cd_template -
			    __start_lwkt_cnt];
		lwkt_printf("%-28s %14llu  %s", cd->cd_name,
		    (unsigned long long)sum, cd->cd_desc);
	}
}

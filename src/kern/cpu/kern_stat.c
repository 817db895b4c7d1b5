/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters, tunables and trace rings: placed at boot, printed at exit.
 *
 * THEORY
 * The declarations (base/stat_decl.h) lie in linker sections.  At boot each CPU
 * gets a copy of the counter section and a trace ring in the arena.  The
 * tunables take their values from the environment:
 *
 *	LWKT_TUNE=name=value,name=value	 a wrong name or value ends the boot
 *	LWKT_TRACE=MASK			 groups of enum ktr_group, a number
 *	LWKT_DEBUG=stats		 counters on stderr at shutdown
 *
 * A value counts only for the boot that set it: each boot starts from the
 * defaults.
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

static size_t
cnt_bytes(void)
{
	return (size_t)((char *)__stop_lwkt_cnt - (char *)__start_lwkt_cnt);
}

size_t
stat_bytes(void)
{
	return roundup2(cnt_bytes(), (size_t)CACHE_LINE) +
	    sizeof(struct ktr_ring);
}

/* Give a CPU its counters and its trace ring in mem. */
void
stat_place(struct globaldata *gd, void *mem)
{
	gd->gd_cnt = mem;
	gd->gd_cntbias = (uintptr_t)mem - (uintptr_t)__start_lwkt_cnt;
	gd->gd_ktr = (struct ktr_ring *)(void *)((char *)mem +
	    roundup2(cnt_bytes(), (size_t)CACHE_LINE));
}

/*
 * Write one event to the ring of a CPU, by that CPU.  The index is stored last,
 * with release: a reader that sees the new index sees the record.
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
 * Return the number that a tunable's value of len bytes stands for, or -1 if it
 * stands for none.
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

/* Set a tunable from one "name=value" of len bytes; 0 or EINVAL. */
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

/* Set the mask of trace groups from LWKT_TRACE; 0 or EINVAL. */
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

/* Set all tunables to their defaults, then read the environment. */
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

/* Print the sums of all counters if LWKT_DEBUG contains "stats". */
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

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of system calls has one row for each number of <asm/unistd_64.h>,
 * in order, and every row the number that its name has there.
 */
#include <sys/syscall.h>

#include "base/kassert.h"
#include "kse/syscall_var.h"
#include "tap.h"

/* Calls that the header of the oldest supported system lacks. */
#ifndef SYS_cachestat
#define SYS_cachestat		451
#define SYS_fchmodat2		452
#define SYS_map_shadow_stack	453
#endif
#ifndef SYS_futex_wake
#define SYS_futex_wake		454
#define SYS_futex_wait		455
#define SYS_futex_requeue	456
#endif
#ifndef SYS_statmount
#define SYS_statmount		457
#define SYS_listmount		458
#define SYS_lsm_get_self_attr	459
#define SYS_lsm_set_self_attr	460
#define SYS_lsm_list_modules	461
#endif
#ifndef SYS_mseal
#define SYS_mseal		462
#endif
#ifndef SYS_uretprobe
#define SYS_uretprobe		335
#endif
#ifndef SYS_setxattrat
#define SYS_setxattrat		463
#define SYS_getxattrat		464
#define SYS_listxattrat		465
#define SYS_removexattrat	466
#endif
#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr	467
#endif
#ifndef SYS_file_getattr
#define SYS_file_getattr	468
#define SYS_file_setattr	469
#endif
#ifndef SYS_uprobe
#define SYS_uprobe		336
#endif

/* Linux gives numbers in two ranges, without gaps. */
#define FIRST_END	336
#define SECOND		424
#define SECOND_END	469

static const struct {
	long		 nr, known;
	const char	*name, *note;
	enum sysway	 way;
	int		 args;
} rows[] = {
#define S(nr, name, way, args, note)					\
	{ nr, SYS_##name, #name, note, SYSWAY_##way, args },
#include "kse/syscall_table.h"
#undef S
};

static void
numbers(void)
{
	long next = 0;
	int wrong = 0, gaps = 0;

	for (size_t i = 0; i < nitems(rows); i++) {
		if (rows[i].nr != rows[i].known) {
			diag("%s is %ld", rows[i].name, rows[i].known);
			wrong++;
		}
		if (rows[i].nr != next) {
			diag("%s: the row of %ld was next", rows[i].name,
			    next);
			gaps++;
		}
		next = rows[i].nr == FIRST_END ? SECOND : rows[i].nr + 1;
	}
	is_int(wrong, 0, "each row has the number of its name");
	is_int(gaps, 0, "each number has one row, in order");
	is_int(next, SECOND_END + 1, "up to the last one");
}

static void
columns(void)
{
	int wrong = 0;

	for (size_t i = 0; i < nitems(rows); i++) {
		int bad = rows[i].args < 0 || rows[i].args > SYSCALL_ARGS ||
		    rows[i].way == SYSWAY_UNKNOWN ||
		    (rows[i].way == SYSWAY_REFUSED && rows[i].note[0] == '\0');

		if (bad)
			diag("%s: a column is wrong", rows[i].name);
		if (syscall_nargs(rows[i].nr) != rows[i].args)
			diag("%s: has other arguments", rows[i].name);
		wrong += bad || syscall_nargs(rows[i].nr) != rows[i].args;
	}
	is_int(wrong, 0, "each refusal has a reason, each call its arguments");
	is_int(syscall_nargs(FIRST_END + 1), SYSCALL_ARGS,
	    "a number between the ranges has six");
	is_int(syscall_nargs(SECOND_END + 1), SYSCALL_ARGS,
	    "and so has one above the table");
	is_int(syscall_nargs(-1), SYSCALL_ARGS, "or below it");
}

int
main(void)
{
	numbers();
	columns();
	return tap_done();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Signals that end the process: the report says what caused each, and in which
 * thread.
 */
#include <sys/mman.h>

#include "core/trouble/crowd.h"

/* Signals that end the process, by what causes them. */
static void
divides(void)
{
	volatile int zero = 0;
	volatile int result;

	result = 7 / zero;		/* volatile: it has to be computed */
	(void)result;
}

static void
executes_nothing(void)
{
	__asm__ __volatile__("ud2");
}

static void
breaks(void)
{
	__asm__ __volatile__("int3");
}

static void
reads_nowhere(void)
{
	served = *(volatile uint32_t *)UINT64_C(0x1234567812345678);
}

static void
bus(void)
{
	int fd = memfd_create("empty", 0);
	volatile char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	served = (uint32_t)*p;
}

static void
sends(void)
{
	(void)raise(SIGBUS);
}

static const struct ending {
	void		(*e_fn)(void);
	int		 e_sig;
	const char	*e_says;
} endings[] = {
	{ divides, SIGFPE, "integer division by zero or overflow (SIGFPE) at "
	    "instruction 0x" },
	{ executes_nothing, SIGILL, "illegal instruction (SIGILL) at "
	    "instruction 0x" },
	{ breaks, SIGTRAP, "trap (SIGTRAP) at instruction 0x" },
	{ reads_nowhere, SIGSEGV, "access to an impossible address (SIGSEGV) "
	    "at instruction 0x" },
	{ bus, SIGBUS, "bus error (SIGBUS) at 0x" },
	{ sends, SIGBUS, "SIGBUS was sent" },
	{ abort, SIGABRT, "abort (SIGABRT)" },
};

static void
ends_thread(void *arg)
{
	const struct ending *e = arg;

	lwkt_setname("the culprit");
	e->e_fn();
}

static uint32_t which;

static int
ends_body(void *arg)
{
	(void)arg;
	join(spawn(ends_thread, (void *)(uintptr_t)&endings[which / 2], 0,
	    (int)which % 2));
	return 0;
}

/* The reader of the report goes away: the signal still says what it was. */
static void
unread(void *arg)
{
	(void)arg;
	stderr_unread();
	boot2(&(int (*)(void *)){ ends_body });
}

static void
test_endings(void)
{
	static struct child c;
	const struct ending *e;

	for (which = 0; which < 2 * nitems(endings); which++) {
		e = &endings[which / 2];
		if (!ok(child_died(run(ends_body), e->e_sig) &&
		    child_said(run(ends_body), e->e_says) &&
		    child_said(run(ends_body), "thread \"the culprit\""),
		    "cpu %u: %s, with the name of the thread", which % 2,
		    e->e_says))
			child_diag(run(ends_body));
		child_run(&c, unread, NULL);
		ok(child_died(&c, e->e_sig), "so if nobody reads it");
	}
}

int
main(void)
{
	if (FAULTS_TAKEN)
		skip_all("the sanitizer reports faults itself");
	test_endings();
	return tap_done();
}

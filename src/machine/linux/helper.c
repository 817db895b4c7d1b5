/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Create host threads that are no CPU: helpers of the I/O back ends.
 *
 * THEORY
 * A CPU, or a helper, creates a helper, which must not inherit a CPU's signal
 * mask and cores.  A helper blocks all signals, so the program's signals reach
 * the CPUs and the program's own pthreads.  Only while a helper runs a function
 * of the program it has the program's mask: a pthread that the function creates
 * inherits the mask.  A helper may run on the cores that the program had, even
 * if CPUs are bound to theirs (lwkt.pin=yes).  Its stack may be small.  libc
 * takes the thread-local data of all modules from each stack, so their size is
 * added.
 *
 * Helpers are in a list, so that they can be told from the program's own
 * pthreads.  A name would not do: a pthread that a function on a carrier
 * creates inherits the carrier's name, and the program may give its pthreads
 * any name.
 *
 * INVARIANTS
 * HLP1 A helper is in the list from before its function is called until the
 *    function has returned or ended the pthread.
 */
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "machine/linux/host.h"

static sigset_t mask_before;		/* (i) the program's blocked signals */
static cpu_set_t cores_before;		/* (i) the program's affinity */
static int cores_known;			/* (i) cores_before is valid */
static size_t tls_bytes;		/* (i) taken by libc from each stack */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct helper *helpers;		/* list_lock protects it */

/* Add the size of the thread-local data of one module of the program. */
static int
tls_add(struct dl_phdr_info *info, size_t size, void *arg)
{
	size_t *bytes = arg;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_TLS)
			*bytes += info->dlpi_phdr[i].p_memsz +
			    info->dlpi_phdr[i].p_align;
	return 0;
}

void
lwkt__helper_boot(void)
{
	tls_bytes = 0;
	(void)dl_iterate_phdr(tls_add, &tls_bytes);
}

/*
 * Store the affinity and the blocked signals of the calling host thread, before
 * it becomes a CPU.
 */
void
lwkt__helper_before(void)
{
	(void)pthread_sigmask(SIG_SETMASK, NULL, &mask_before);
	cores_known = sched_getaffinity(0, sizeof(cores_before),
	    &cores_before) == 0;
}

size_t
lwkt__helper_tls(void)
{
	return tls_bytes;
}

void
lwkt__helper_signals(int program)
{
	sigset_t all;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, program ? &mask_before : &all, NULL);
}

static void
enlist(struct helper *hp)
{
	hp->hp_tid = gettid();
	(void)pthread_mutex_lock(&list_lock);
	hp->hp_next = helpers;
	helpers = hp;						/* HLP1 */
	(void)pthread_mutex_unlock(&list_lock);
}

static void
delist(void *arg)
{
	struct helper **hpp;

	(void)pthread_mutex_lock(&list_lock);
	for (hpp = &helpers; *hpp != arg; hpp = &(*hpp)->hp_next)
		continue;
	*hpp = (*hpp)->hp_next;					/* HLP1 */
	(void)pthread_mutex_unlock(&list_lock);
}

int
lwkt__helper_is(pid_t tid)
{
	const struct helper *hp;

	(void)pthread_mutex_lock(&list_lock);
	for (hp = helpers; hp != NULL && hp->hp_tid != tid; hp = hp->hp_next)
		continue;
	(void)pthread_mutex_unlock(&list_lock);
	return hp != NULL;
}

/* Run a helper.  Its function may free *arg, so helper_main uses a copy. */
static void *
helper_main(void *arg)
{
	struct helper self = *(const struct helper *)arg;

	enlist(&self);
	pthread_cleanup_push(delist, &self);
	(void)pthread_setname_np(pthread_self(), self.hp_name);
	(void)self.hp_fn(self.hp_arg);
	pthread_cleanup_pop(1);
	return NULL;
}

int
lwkt__helper_create(pthread_t *tp, size_t stack, struct helper *hp)
{
	pthread_attr_t attr;
	sigset_t all;
	int error;

	error = pthread_attr_init(&attr);
	if (error != 0)
		return error;
	(void)sigfillset(&all);
	error = pthread_attr_setsigmask_np(&attr, &all);
	if (error == 0)
		error = pthread_attr_setstacksize(&attr, stack + tls_bytes);
	/* Without this the helper would inherit the core of a bound CPU. */
	if (error == 0 && cores_known && lwkt__identity_bound())
		error = pthread_attr_setaffinity_np(&attr,
		    sizeof(cores_before), &cores_before);
	if (error == 0)
		error = pthread_create(tp, &attr, helper_main, hp);
	(void)pthread_attr_destroy(&attr);
	return error;
}

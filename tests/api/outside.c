/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Host threads that are not a CPU: each call that needs one ends the process
 * that makes it, says why, and changes nothing for anybody else.
 */
#include <lwkt/cpusync.h>
#include <lwkt/io.h>
#include <lwkt/ipiq.h>
#include <lwkt/lock.h>
#include <lwkt/lwkt.h>
#include <lwkt/lwp.h>
#include <lwkt/mtx.h>
#include <lwkt/serialize.h>
#include <lwkt/spinlock.h>
#include <lwkt/sync.h>
#include <lwkt/systimer.h>
#include <lwkt/token.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "core/child.h"

#define nitems(a)	(sizeof(a) / sizeof((a)[0]))
#define MS		1000000
#define DEEP		20000		/* bytes of stack in a child */

static struct lwkt_token token = LWKT_TOKEN_INITIALIZER("coin");
static struct lwkt_spin spin = LWKT_SPIN_INITIALIZER("top");
static struct lwkt_mtx mtx = LWKT_MTX_INITIALIZER("latch");
static struct lwkt_lock lock = LWKT_LOCK_INITIALIZER("bolt", 0, 0);
static struct lwkt_serialize slz = LWKT_SERIALIZE_INITIALIZER;
static struct lwkt_mutex mutex = LWKT_MUTEX_INITIALIZER("door");
static struct lwkt_systimer timer;
static lwkt_thread_t victim;		/* the thread that creates */

static void
nothing(void *arg)
{
	(void)arg;
}

static void
timer_nothing(struct lwkt_systimer *st, void *arg)
{
	(void)st, (void)arg;
}

/* One function a call; NAME is its name. */
#define CALL(name, statement)						\
	static void							\
	call_##name(void)						\
	{								\
		statement;						\
	}
#define CALLS								\
	C(yield, lwkt_yield())						\
	C(yield_quick, lwkt_yield_quick())				\
	C(user_yield, lwkt_user_yield())				\
	C(switch, lwkt_switch())					\
	C(sleep_ns, (void)lwkt_sleep_ns(1000))				\
	C(tsleep, (void)lwkt_tsleep(&token, 0, "x", 1000))		\
	C(tsleep_interlock, lwkt_tsleep_interlock(&token, 0))		\
	C(wakeup, lwkt_wakeup(&token))					\
	C(wakeup_one, lwkt_wakeup_one(&token))				\
	C(delayed, lwkt_wakeup_start_delayed())				\
	C(create, (void)lwkt_create(nothing, NULL, NULL, NULL, 0, 0, "x")) \
	C(crit_enter, lwkt_crit_enter())				\
	C(crit_enter_hard, lwkt_crit_enter_hard())			\
	C(setname, lwkt_setname("CHANGED"))				\
	C(setpri, lwkt_setpri_self(3))					\
	C(schedule, lwkt_schedule_self())				\
	C(deschedule, lwkt_deschedule_self())				\
	C(migratecpu, lwkt_migratecpu(0))				\
	C(curport, (void)lwkt_curport())				\
	C(gettoken, lwkt_gettoken(&token))				\
	C(trytoken, (void)lwkt_trytoken(&token))			\
	C(spin_lock, lwkt_spin_lock(&spin))				\
	C(spin_trylock, (void)lwkt_spin_trylock(&spin))			\
	C(mtx_lock, lwkt_mtx_lock(&mtx))				\
	C(mtx_lock_ex_try, (void)lwkt_mtx_lock_ex_try(&mtx))		\
	C(lockmgr, (void)lwkt_lockmgr(&lock, LWKT_LK_EXCLUSIVE))	\
	C(serialize_enter, lwkt_serialize_enter(&slz))			\
	C(send_ipiq, (void)lwkt_send_ipiq(0, nothing, NULL))		\
	C(cpusync, lwkt_cpusync_simple(lwkt_cpumask_all(), nothing, NULL)) \
	C(systimer, lwkt_systimer_init_oneshot(&timer, timer_nothing,	\
	    NULL, MS))							\
	C(interrupt, lwkt_interrupt(victim))				\
	C(lwp_create, (void)lwkt_lwp_create(nothing, NULL, NULL, NULL, 0, \
	    "x"))							\
	C(read, (void)lwkt_read(0, &spin, 0))				\
	C(poll, (void)lwkt_poll(0, 1, 0))				\
	C(close, (void)lwkt_close(0))					\
	C(syscall, (void)lwkt_syscall(39 /* SYS_getpid */))		\
	C(waitpid, (void)lwkt_waitpid(-1, NULL, 0))

#define C(name, statement)	CALL(name, statement)
CALLS
#undef C

static const struct call {
	const char	*c_name;
	void		(*c_fn)(void);
} calls[] = {
#define C(name, statement)	{ #name, call_##name },
	CALLS
#undef C
};

/* Calls for which being outside is no mistake. */
static void
harmless(void)
{
	lwkt_mutex_lock(&mutex);
	lwkt_mutex_unlock(&mutex);
	if (lwkt_self() != NULL || lwkt_cpuid() != -1 || lwkt_time_ns() < 0)
		_exit(3);
	lwkt_printf("harmless");
}

static const struct lwkt_config one = { .lc_ncpus = 1 };

static void *
in_pthread(void *arg)
{
	((const struct call *)arg)->c_fn();
	return NULL;
}

static int
makes_pthread(void *arg)
{
	pthread_t thread;

	victim = lwkt_self();
	if (pthread_create(&thread, NULL, in_pthread, arg) != 0)
		return 1;
	return pthread_join(thread, NULL);
}

static void
boot_pthread(void *arg)
{
	(void)lwkt_boot(&one, makes_pthread, arg);
}

static int
returns(void *arg)
{
	(void)arg;
	victim = lwkt_self();
	return 0;
}

static void
call_unbooted(void *arg)
{
	((const struct call *)arg)->c_fn();
}

static void
call_after(void *arg)
{
	if (lwkt_boot(&one, returns, NULL) == 0)
		call_unbooted(arg);
}

/* How a child is made: the second one tells no handler. */
static pid_t (*maker)(void);

/* A child makes the call; the parent must not notice. */
static int
makes_child(void *arg)
{
	int status = 0;
	pid_t pid;

	lwkt_setname("parent");
	victim = lwkt_self();
	if ((pid = maker()) == 0) {
		(void)alarm(20);
		((const struct call *)arg)->c_fn();
		_exit(0);
	}
	if (lwkt_waitpid(pid, &status, 0) != pid ||
	    strcmp(lwkt_name(lwkt_self()), "parent") != 0 ||
	    lwkt_crit_test(lwkt_self()) || lwkt_sleep_ns(MS) != 0 ||
	    lwkt_create(nothing, NULL, NULL, NULL, 0, 0, "after") != 0)
		return 5;
	lwkt_yield();
	return WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

/* Exit status of the parent: how the child ended. */
static void
boot_child(void *arg)
{
	_exit(lwkt_boot(&one, makes_child, arg));
}

static struct child *
ran(void (*fn)(void *), const void *arg)
{
	static struct child c;

	child_run(&c, fn, (void *)(uintptr_t)arg);
	return &c;
}

static void
aborts(const struct call *call, void (*fn)(void *), const char *word,
    const char *what)
{
	struct child *c = ran(fn, call);

	if (!ok(child_died(c, SIGABRT) && child_said(c, word), "%s: %s",
	    call->c_name, what))
		child_diag(c);
}

/* The child dies of it and says so, and the parent goes on. */
static void
child_aborts(const struct call *call)
{
	struct child *c = ran(boot_child, call);
	int sig = WIFEXITED(c->c_status) ? WEXITSTATUS(c->c_status) : -1;

	/* A sanitizer's handler reports the fault by itself, and exits. */
	if (!ok(TAP_SANITIZED ? sig > 0 : (sig == SIGABRT || sig == SIGSEGV) &&
	    child_said(c, "in a child of fork"), "%s: ends a child of fork "
	    "and not its parent", call->c_name))
		child_diag(c);
}

static pid_t
fork_untold(void)
{
	return _Fork();
}

static void
test_calls(void)
{
	const struct call *call;

	for (call = calls; call < calls + nitems(calls); call++) {
		aborts(call, boot_pthread, "a pthread that is not a cpu",
		    "a pthread made by a thread is refused");
		aborts(call, call_unbooted, "before lwkt_boot",
		    "refused before the boot");
		aborts(call, call_after, "before lwkt_boot, or after it",
		    "refused after it");
		maker = fork;
		child_aborts(call);
		maker = fork_untold;
		child_aborts(call);
	}
}

static void
test_harmless(void)
{
	static const struct call call = { "harmless", harmless };
	struct child *c;

	maker = fork;
	c = ran(boot_child, &call);
	ok(WIFEXITED(c->c_status) && WEXITSTATUS(c->c_status) == 0 &&
	    child_said(c, "harmless"),
	    "what any pthread may call works in a child of fork");
	c = ran(boot_pthread, &call);
	ok(WIFEXITED(c->c_status) && child_said(c, "harmless"),
	    "and in a pthread made by a thread");
	c = ran(call_unbooted, &call);
	ok(WIFEXITED(c->c_status) && child_said(c, "harmless"),
	    "and before the boot");
}

/* In a child: deep in the stack of the thread, and other memory. */
static void
computes(void)
{
	volatile char deep[DEEP];
	char *p = malloc(1 << 20);

	for (size_t i = 0; i < sizeof(deep); i++)
		deep[i] = (char)i;
	memset(p, deep[77], 1 << 20);
	if (p[12345] != 77)
		_exit(4);
	free(p);
	(void)usleep(1000);
}

static void
executes(void)
{
	(void)execl("/bin/true", "true", (char *)NULL);
	_exit(6);
}

static void
boots(void)
{
	int result = 5, error;

	error = lwkt_boot_result(&one, returns, NULL, &result);
	_exit(error == EBUSY && result == 5 ? 0 : 7);
}

static void
test_children(void)
{
	static const struct call list[] = { { "computes", computes },
	    { "executes", executes }, { "cannot boot", boots } };
	struct child *c;
	size_t i;

	for (i = 0; i < 2 * nitems(list); i++) {
		maker = i % 2 == 0 ? fork : fork_untold;
		c = ran(boot_child, &list[i / 2]);
		if (!ok(WIFEXITED(c->c_status) && WEXITSTATUS(c->c_status)
		    == 0, "a child of %s %s", i % 2 == 0 ? "fork" : "_Fork",
		    list[i / 2].c_name))
			child_diag(c);
	}
	ok(child_said(c, "child of fork"), "and is told why it cannot boot");
}

/* What a host thread has that others inherit. */
struct traits {
	cpu_set_t	t_cores;
	sigset_t	t_mask;
};

static struct traits *seen;		/* shared with children */

static void
look(struct traits *t)
{
	CPU_ZERO(&t->t_cores);
	(void)sched_getaffinity(0, sizeof(t->t_cores), &t->t_cores);
	(void)pthread_sigmask(SIG_SETMASK, NULL, &t->t_mask);
}

static int
same(const struct traits *a, const struct traits *b)
{
	for (int sig = 1; sig < SIGRTMIN; sig++)
		if (sigismember(&a->t_mask, sig) !=
		    sigismember(&b->t_mask, sig))
			return 0;
	return CPU_EQUAL(&a->t_cores, &b->t_cores);
}

static void *
pthread_looks(void *arg)
{
	look(arg);
	return NULL;
}

/* On each CPU: a pthread, a child, a program. */
static void
creates(void *arg)
{
	static char *const argv[] = { (char *)(uintptr_t)"sh",
	    (char *)(uintptr_t)"-c",
	    (char *)(uintptr_t)"exec cat /proc/self/status", NULL };
	struct traits *t = arg;
	pthread_t thread;
	int status, bad = 0;
	pid_t pid;

	if (pthread_create(&thread, NULL, pthread_looks, &t[0]) == 0)
		bad |= pthread_join(thread, NULL);
	if ((pid = fork()) == 0) {
		look(&t[1]);
		_exit(0);
	}
	bad |= lwkt_waitpid(pid, &status, 0) != pid;
	bad |= posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, NULL);
	bad |= lwkt_waitpid(pid, &status, 0) != pid || status != 0;
	if (bad)
		_exit(8);
}

static int
creates_everywhere(void *arg)
{
	lwkt_thread_t td;

	(void)arg;
	for (int i = 0; i < 2; i++) {
		if (lwkt_create(creates, &seen[2 * i], &td, NULL,
		    LWKT_JOINABLE, i, "creator") != 0)
			return 1;
		lwkt_join(td);
	}
	return 0;
}

static void
boot_creators(void *arg)
{
	static const struct lwkt_config two = { .lc_ncpus = 2 };

	(void)setenv("LWKT_TUNE", arg, 1);
	_exit(lwkt_boot(&two, creates_everywhere, NULL));
}

/* The lines of a child's status that begin with the word: all the same? */
static int
all_lines(const struct child *c, const char *word, const char *first)
{
	const char *s = c->c_err;
	int n = 0;

	for (; (s = strstr(s, word)) != NULL; s++) {
		if (strncmp(s, first, strcspn(first, "\n")) != 0)
			return 0;
		n++;
	}
	return n == 2;
}

/* Our own line of that kind. */
static const char *
own_line(const char *word)
{
	static char buf[8192];
	FILE *f = fopen("/proc/self/status", "re");
	size_t n = f != NULL ? fread(buf, 1, sizeof(buf) - 1, f) : 0;
	char *s;

	buf[n] = '\0';
	if (f != NULL)
		(void)fclose(f);
	s = strstr(buf, word);
	return s != NULL ? s : "";
}

static void
test_inherits(void)
{
	struct traits mine;
	struct child *c;
	size_t i, n = 0;

	look(&mine);
	c = ran(boot_creators, "lwkt.pin=start");
	for (i = 0; i < 4; i++)
		n += same(&seen[i], &mine) != 0;
	if (!ok(c->c_status == 0 && n == 4, "pthreads and children of each CPU "
	    "have the cores and the signal mask of the program"))
		child_diag(c);
	ok(all_lines(c, "Cpus_allowed:", own_line("Cpus_allowed:")) &&
	    all_lines(c, "SigBlk:", own_line("SigBlk:")),
	    "so have programs that it starts");
	c = ran(boot_creators, "lwkt.pin=yes");
	if (CPU_COUNT(&mine.t_cores) < 2)
		skip("one core only");
	else
		ok(c->c_status == 0 && same(&seen[1], &mine) &&
		    same(&seen[3], &mine) && !same(&seen[0], &mine) &&
		    CPU_COUNT(&seen[0].t_cores) == 1,
		    "CPUs bound to their cores give them back in children");
}

/* The host thread of a CPU must not end. */
static void
exits(void *arg)
{
	(void)arg;
	lwkt_setname("quitter");
	pthread_exit(NULL);
}

static void
cancels(void *arg)
{
	(void)arg;
	lwkt_setname("quitter");
	(void)pthread_cancel(pthread_self());
	pthread_testcancel();
}

static void (*ends)(void *);
static int ends_on;

static int
end_host(void *arg)
{
	lwkt_thread_t td;

	(void)lwkt_create(ends, arg, &td, NULL, LWKT_JOINABLE, ends_on, "e");
	lwkt_join(td);
	return 0;
}

static void
boot_ends(void *arg)
{
	static const struct lwkt_config two = { .lc_ncpus = 2 };

	_exit(lwkt_boot(&two, end_host, arg));
}

static void
test_ends(void)
{
	struct child *c;

	for (int i = 0; i < 4; i++) {
		if (i % 2 == 0 && TAP_TSAN)
			continue;	/* refuses pthread_exit there itself */
		ends = i % 2 == 0 ? exits : cancels;
		ends_on = i / 2;
		c = ran(boot_ends, NULL);
		if (!ok(child_died(c, SIGABRT) &&
		    child_said(c, "pthread_exit") &&
		    child_said(c, "\"quitter\""), "%s on cpu %d is refused "
		    "with the name of the thread", i % 2 == 0 ?
		    "pthread_exit" : "pthread_cancel", ends_on))
			child_diag(c);
	}
}

int
main(void)
{
	seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	test_calls();
	test_harmless();
	test_children();
	test_inherits();
	test_ends();
	return tap_done();
}

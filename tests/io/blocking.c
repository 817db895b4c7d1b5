/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that block run on host threads of their own: the CPU goes on, each
 * function of many has its thread, more wait in order, a time limit leaves the
 * function behind, and refusals are said.
 */
#include <alloca.h>
#include <dirent.h>
#include <lwkt/blocking.h>
#include <lwkt/msgport.h>
#include <lwkt/spinlock.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/wait.h>
#include <unistd.h>

#include "counter.h"
#include "io/iotest.h"

#define MANY		100

/* A read that only a thread of the same CPU ends. */
static int fds[2];

static intptr_t
read_one(void *arg)
{
	return read(fds[0], arg, 1);
}

static void
writer(void *arg)
{
	(void)arg;
	let_others_wait();
	if (write(fds[1], "x", 1) != 1)
		abort();
}

static void
cpu_goes_on(void)
{
	lwkt_thread_t td;
	char c = 0;

	if (pipe(fds) != 0)
		abort();
	td = spawn(writer, NULL, 0);
	is_int(lwkt_blocking(read_one, &c), 1, "a read blocks its thread only");
	ok(c == 'x', "and reads");
	is_int(lwkt_join(td), 0, "the writer of the same CPU ended");
	close(fds[0]);
	is_int(lwkt_blocking(read_one, &c), -1, "a failing call");
	is_int(errno, EBADF, "leaves its errno");
	close(fds[1]);
}

/* Functions that all wait for each other. */
static pthread_barrier_t barrier;

static intptr_t
meet(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&barrier);
	return 1;
}

static void
meeting(void *arg)
{
	*(int *)arg = (int)lwkt_blocking(meet, NULL);
}

static void
many(void)
{
	static lwkt_thread_t td[MANY];
	static int came[MANY];
	int all = 0;

	pthread_barrier_init(&barrier, NULL, MANY);
	for (int i = 0; i < MANY; i++)
		td[i] = spawn(meeting, &came[i], 0);
	for (int i = 0; i < MANY; i++) {
		(void)lwkt_join(td[i]);
		all += came[i];
	}
	is_int(all, MANY, "%d functions run at one time", MANY);
	pthread_barrier_destroy(&barrier);
}

static intptr_t
deep(void *arg)
{
	volatile char *p = alloca((size_t)200 * 1024);

	(void)arg;
	for (int i = 0; i < 200 * 1024; i += 1024)
		p[i] = 1;
	return p[1024];
}

/* A program that ends itself by a signal, unless that is blocked. */
static intptr_t
starts_program(void *arg)
{
	(void)arg;
	return system("kill -TERM $$");
}

static lwkt_port_t port_main;

static intptr_t
sends(void *arg)
{
	lwkt_sendmsg(port_main, arg);
	return 5;
}

static void
what_it_may_do(void)
{
	int status;
	struct lwkt_msg msg;

	is_int(lwkt_blocking(deep, NULL), 1, "a function has a large stack");
	lwkt_initmsg(&msg, lwkt_curport(), 0);
	port_main = lwkt_curport();
	is_int(lwkt_blocking(sends, &msg), 5, "a function sends");
	ok(lwkt_waitport(lwkt_curport(), 0) == &msg, "a message");
	lwkt_replymsg(&msg, 0);
	(void)lwkt_waitmsg(&msg, 0);
	status = (int)lwkt_blocking(starts_program, NULL);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM,
	    "a program that it starts can be ended by a signal");
}

/* A function that waits until it is let go, and its structure. */
static sem_t gate;			/* 1: open */
static pthread_mutex_t order_lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t began, released;

static intptr_t
wait_gate(void *arg)
{
	(void)arg;
	__atomic_add_fetch(&began, 1, __ATOMIC_SEQ_CST);
	while (sem_wait(&gate) != 0)
		continue;
	sem_post(&gate);
	return 9;
}

static void
release(struct lwkt_blocking_call *bc)
{
	free(bc);
	__atomic_add_fetch(&released, 1, __ATOMIC_SEQ_CST);
}

static struct lwkt_blocking_call *
make_call(intptr_t (*fn)(void *))
{
	struct lwkt_blocking_call *bc = calloc(1, sizeof(*bc));

	if (bc == NULL)
		abort();
	bc->bc_fn = fn;
	bc->bc_release = release;
	return bc;
}

static uint32_t
load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

/*
 * Leave a function that has begun: a slow host may need longer for that than
 * the limit, and then the call is released and made again.
 */
static void
leave_one(const char *what)
{
	int64_t ms = 10;
	int error;

	do {
		began = released = 0;
		error = lwkt_blocking_timo(make_call(wait_gate), ms * MS);
		ms *= 2;
	} while (error == -ETIMEDOUT && load(&began) == 0);
	is_int(error, -ETIMEDOUT, "%s", what);
}

static void
limits(void)
{
	struct lwkt_blocking_call *bc;

	began = released = 0;
	sem_wait(&gate);
	is_int(lwkt_blocking_timo(make_call(wait_gate), 0), -ETIMEDOUT,
	    "no time at all");
	is_int(load(&released), 1, "releases the call at once");
	is_int(load(&began), 0, "and calls nothing");
	leave_one("a limit ends the wait, not the function");
	is_int(load(&released), 0, "which keeps its structure");
	sem_post(&gate);
	while (load(&released) < 1)
		lwkt_sleep_ns(MS);
	is_int(load(&began), 1, "until it returns");
	bc = make_call(wait_gate);
	is_int(lwkt_blocking_timo(bc, LWKT_FOREVER), 0, "within its limit");
	is_int(bc->bc_result, 9, "a function has a result");
	free(bc);
	ok(counter("lwkt.blocking_orphans") >= 1, "and counted");
}

static int
blocking(void *arg)
{
	(void)arg;
	iotest_backend();
	cpu_goes_on();
	many();
	what_it_may_do();
	limits();
	return 0;
}

/* With at most two functions at one time. */
static int order[4], norder;

static intptr_t
in_order(void *arg)
{
	(void)wait_gate(NULL);
	pthread_mutex_lock(&order_lock);
	order[norder++] = (int)(intptr_t)arg;
	pthread_mutex_unlock(&order_lock);
	return 0;
}

static void
orderly(void *arg)
{
	(void)lwkt_blocking(in_order, arg);
}

static int
at_the_limit(void *arg)
{
	lwkt_thread_t td[4];

	(void)arg;
	began = released = 0;
	norder = 0;
	sem_wait(&gate);
	for (int i = 0; i < 4; i++)
		td[i] = spawn(orderly, (void *)(intptr_t)i, 0);
	while (load(&began) < 1)
		lwkt_sleep_ns(MS);
	is_int(lwkt_blocking_timo(make_call(wait_gate), 5 * MS), -ETIMEDOUT,
	    "beyond the limit a function waits for its turn");
	is_int(load(&began), 1, "and is not called");
	is_int(load(&released), 1, "but released");
	sem_post(&gate);
	for (int i = 0; i < 4; i++)
		(void)lwkt_join(td[i]);
	ok(norder == 4 && order[0] == 0 && order[1] == 1 && order[2] == 2 &&
	    order[3] == 3, "the others in their order");
	is_int(counter("kern.threads.max_threads_hits") >= 0, 1, "counted");
	return 0;
}

/*
 * One function at a time, and each time the first of two is taken back before
 * its carrier has woken: the carrier makes the second one.  Its idle time is
 * longer than the test, so nothing else would.
 */
static intptr_t
nothing(void *arg)
{
	return (intptr_t)arg;
}

static int
taken_back(void *arg)
{
	struct lwkt_blocking_call bc[2] = {
		{ .bc_fn = nothing }, { .bc_fn = nothing },
	};
	struct lwkt_sysmsg sm[2];
	int i, back = 0;

	(void)arg;
	for (i = 0; i < 500; i++) {
		(void)lwkt_blocking(nothing, NULL);	/* a parked carrier */
		lwkt_sysmsg_call(&sm[0], lwkt_curport(), &bc[0]);
		lwkt_sysmsg_call(&sm[1], lwkt_curport(), &bc[1]);
		lwkt_sendsys(&sm[0]);
		lwkt_sendsys(&sm[1]);
		lwkt_abortmsg(&sm[0].sm_msg);
		(void)lwkt_waitmsg(&sm[0].sm_msg, 0);
		(void)lwkt_waitmsg(&sm[1].sm_msg, 0);
		back += sm[0].sm_result == -ECANCELED;
	}
	diag("%d of %d taken back", back, i);
	ok(i == 500, "what is queued behind it is called");
	return 0;
}

static int
refused(void *arg)
{
	(void)arg;
	released = 0;
	is_int(lwkt_blocking(meet, NULL), -1, "a call without a carrier fails");
	is_int(errno, EAGAIN, "and says why");
	is_int(lwkt_blocking_timo(make_call(meet), LWKT_FOREVER), -EAGAIN,
	    "so does one with a limit");
	is_int(load(&released), 1, "which is released");
	return 0;
}

/* The carriers of this process. */
static int
carriers(void)
{
	char path[300], name[20];
	struct dirent *de;
	DIR *dir = opendir("/proc/self/task");
	FILE *f;
	int n = 0;

	if (dir == NULL)
		abort();
	while ((de = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm",
		    de->d_name);
		f = fopen(path, "r");
		if (f == NULL)
			continue;
		n += fgets(name, sizeof(name), f) != NULL &&
		    strcmp(name, "lwkt-carrier\n") == 0;
		fclose(f);
	}
	closedir(dir);
	return n;
}

/* Three are created at boot; ten work, and seven of them end. */
static int
idle_ones_end(void *arg)
{
	lwkt_thread_t td[10];
	int came[10], all = 0;

	(void)arg;
	while (carriers() < 3)
		lwkt_sleep_ns(MS);
	is_int(carriers(), 3, "three carriers from the boot on");
	pthread_barrier_init(&barrier, NULL, 10);
	for (int i = 0; i < 10; i++)
		td[i] = spawn(meeting, &came[i], 0);
	for (int i = 0; i < 10; i++) {
		(void)lwkt_join(td[i]);
		all += came[i];
	}
	pthread_barrier_destroy(&barrier);
	is_int(all, 10, "ten work");
	while (carriers() > 3)
		lwkt_sleep_ns(5 * MS);
	lwkt_sleep_ns(60 * MS);
	is_int(carriers(), 3, "and seven of them end when they are idle");
	return 0;
}

/* The kernel stops while a function goes on. */
static int
left_behind(void *arg)
{
	(void)arg;
	sem_wait(&gate);
	leave_one("a function is left behind");
	return 0;
}

static int
again(void *arg)
{
	(void)arg;
	what_it_may_do();
	return 0;
}

static int
boot(const char *tune, const char *fail, int (*fn)(void *))
{
	struct lwkt_config cfg = { .lc_ncpus = 1 };
	int error, result = 0;

	setenv("LWKT_TUNE", tune, 1);
	setenv("LWKT_FAIL", fail, 1);
	error = lwkt_boot_result(&cfg, fn, NULL, &result);
	unsetenv("LWKT_TUNE");
	unsetenv("LWKT_FAIL");
	return error != 0 ? error : result;
}

static intptr_t
leaves(void *arg)
{
	pthread_exit(arg);
}

static int
exiting(void *arg)
{
	(void)arg;
	(void)lwkt_blocking(leaves, NULL);
	return 0;
}

static int
spinning(void *arg)
{
	struct lwkt_spin spin;

	(void)arg;
	lwkt_spin_init(&spin, "test");
	lwkt_spin_lock(&spin);
	(void)lwkt_blocking(meet, NULL);
	return 0;
}

/* In a child, whose end and words are checked. */
static void
dies(int (*fn)(void *), const char *words)
{
	char said[500];
	int out[2], status;
	ssize_t n = 0, r;
	pid_t pid;

	if (pipe(out) != 0)
		abort();
	pid = fork();
	if (pid == 0) {
		dup2(out[1], 2);
		close(out[1]);
		alarm(20);
		_exit(boot("", "", fn));
	}
	close(out[1]);
	while (n < (ssize_t)sizeof(said) - 1 &&
	    (r = read(out[0], said + n, sizeof(said) - 1 - (size_t)n)) > 0)
		n += r;
	said[n] = '\0';
	close(out[0]);
	if (waitpid(pid, &status, 0) != pid)
		abort();
	if (!ok(WIFSIGNALED(status) && strstr(said, words) != NULL, "%s: %s",
	    WTERMSIG(status) == SIGABRT ? "panics" : "says", words))
		diag("status %#x: %s", status, said);
}

/* A function that never returns. */
static intptr_t
ever(void *arg)
{
	__atomic_add_fetch(&began, 1, __ATOMIC_SEQ_CST);
	for (;;)
		pause();
	return (intptr_t)arg;
}

static void
waits_for_ever(void *arg)
{
	(void)lwkt_blocking(ever, arg);
}

/* The kernel ends nevertheless; SIGALRM ends the process. */
static int
ends_too_early(void *arg)
{
	(void)arg;
	(void)alarm(3);
	began = 0;
	spawn(waits_for_ever, NULL, 0);
	while (load(&began) == 0)
		lwkt_sleep_ns(MS);
	return 0;
}

int
main(void)
{
	sem_init(&gate, 0, 1);
	iotest_boot(blocking, 1);
	is_int(boot("kern.threads.max_threads_per_proc=1", "", at_the_limit),
	    0, "with one function at a time");
	is_int(boot("kern.threads.max_threads_per_proc=1,"
	    "lwkt.carrier_idle_ms=1000000", "", taken_back), 0,
	    "a function is taken back");
	is_int(boot("", "carrier.create:*", refused), 0, "no carrier");
	is_int(boot("", "carrier.grower:*", refused), 0, "no grower");
	is_int(boot("kern.threads.prealloc=3,lwkt.carrier_idle_ms=20", "",
	    idle_ones_end), 0, "idle carriers");
	is_int(boot("", "", left_behind), 0,
	    "the kernel stops meanwhile");
	is_int(load(&released), 0, "and the function has its structure");
	sem_post(&gate);
	while (load(&released) < 1)
		usleep(1000);
	is_int(boot("", "", again), 0, "the kernel starts again");
	dies(exiting, "has ended its host thread");
	dies(spinning, "thread \"main\" holds spinlock \"test\"");
	dies(ends_too_early, "waits for a function of lwkt_blocking:");
	return tap_done();
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads are made, named, started, held and ended.
 */
#include <lwkt/msgport.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/util.h"

static uint32_t ran_on[8];

static void
note_cpu(void *arg)
{
	(void)arg;
	atomic_fetchadd_32(&ran_on[lwkt_cpuid()], 1);
}

static int
runs_where_asked(void *arg)
{
	int cpu, n = lwkt_ncpus();

	(void)arg;
	memset(ran_on, 0, sizeof(ran_on));
	for (cpu = 0; cpu < n; cpu++)
		join(spawn(note_cpu, NULL, 0, cpu));
	for (cpu = 0; cpu < n; cpu++)
		check(ran_on[cpu] == 1, "%u on cpu %d", ran_on[cpu], cpu);
	return 0;
}

static int
rotates(void *arg)
{
	int cpu, i, n = lwkt_ncpus();

	(void)arg;
	memset(ran_on, 0, sizeof(ran_on));
	for (i = 0; i < 3 * n; i++)
		join(spawn(note_cpu, NULL, 0, LWKT_CPU_ROTATE));
	for (cpu = 0; cpu < n; cpu++)
		check(ran_on[cpu] == 3, "%u on cpu %d", ran_on[cpu], cpu);
	return 0;
}

static int
refuses_nonsense(void *arg)
{
	lwkt_thread_t td = NULL;
	int n = lwkt_ncpus();

	(void)arg;
	check(lwkt_create(util_nothing, NULL, &td, NULL, 0, n, "x") == EINVAL,
	    "a CPU too many");
	check(lwkt_create(util_nothing, NULL, &td, NULL, 0, -2, "x") == EINVAL,
	    "a negative CPU");
	check(lwkt_create(util_nothing, NULL, &td, NULL, 0x4000, 0, "x") ==
	    EINVAL, "an unknown flag");
	check(td == NULL, "*tdp was touched");
	check(lwkt_alloc_thread(0, n, 0) == NULL, "alloc: a CPU too many");
	check(lwkt_alloc_thread((size_t)1 << 40, 0, 0) == NULL,
	    "alloc: 1 TiB of stack");
	return 0;
}

static int
names(void *arg)
{
	lwkt_thread_t self = lwkt_self(), td = NULL;

	(void)arg;
	check(strcmp(lwkt_name(self), "main") == 0, "main is \"%s\"",
	    lwkt_name(self));
	check(lwkt_create(util_nothing, NULL, &td, NULL, LWKT_JOINABLE |
	    LWKT_NOSTART, 0, "w%d of %s", 7, "ten") == 0, "create");
	check(strcmp(lwkt_name(td), "w7 of ten") == 0, "\"%s\"",
	    lwkt_name(td));
	lwkt_schedule(td);
	join(td);
	lwkt_setname("%s", "abcdefghijklmnopqrstuvwxyz");
	check(strcmp(lwkt_name(self), "abcdefghijklmnopqrstuvw") == 0,
	    "\"%s\"", lwkt_name(self));
	lwkt_setname("abcdefghijklmnopqrstuvwxyz");
	check(strcmp(lwkt_name(self), "abcdefghijklmnopqrstuvw") == 0,
	    "\"%s\"", lwkt_name(self));
	lwkt_setname("%s", "");
	check(lwkt_name(self)[0] == '\0', "empty");
	return 0;
}

/*
 * Names are copied by words.  At the end of a page the next word may not be
 * readable, and a '%' after the end of the name does not belong to it.
 */
static int
names_of_all_lengths(void *arg)
{
	void (*setname)(const char *, ...) = lwkt_setname;
	size_t page = (size_t)sysconf(_SC_PAGESIZE), len;
	char want[32], *end, *p;

	(void)arg;
	p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(p != MAP_FAILED && mprotect(p + page, page, PROT_NONE) == 0,
	    "no pages");
	memset(p, '%', page);
	for (len = 0; len < sizeof(want); len++) {
		memset(want, 'a' + (int)len % 20, sizeof(want));
		want[len < LWKT_NAMELEN ? len : LWKT_NAMELEN - 1] = '\0';
		for (end = p + page; end > p + page - 40; end--) {
			memset(end - len - 1, want[0], len);
			end[-1] = '\0';
			setname("before that it was %d", 7);
			setname(end - len - 1);
			check(strcmp(lwkt_name(lwkt_self()), want) == 0,
			    "\"%s\" and not \"%s\"", lwkt_name(lwkt_self()),
			    want);
			memset(end - len - 1, '%', len + 1);
		}
	}
	(void)munmap(p, 2 * page);
	return 0;
}

/* A thread leaves traces of its life in its structure. */
static int
answers(lwkt_port_t port, lwkt_msg_t msg)
{
	(void)port, (void)msg;
	return EINVAL;
}

static void
leaves_traces(void *arg)
{
	lwkt_port_t port = lwkt_threadport(lwkt_self());

	(void)arg;
	port->mp_data = arg;
	lwkt_port_setdirect(port, answers);
	lwkt_setpri_self(LWKT_PRI_SOFT_NORM);
	lwkt_interrupt(lwkt_self());
	lwkt_tsleep_interlock(&ran_on, 0);
}

static void
finds_none(void *arg)
{
	lwkt_port_t port = lwkt_threadport(lwkt_self());

	check(port->mp_data == NULL && port->mp_directfn == NULL,
	    "the port of another thread");
	check(lwkt_getpri(lwkt_self()) == LWKT_PRI_KERN_DAEMON,
	    "its priority");
	check(lwkt_tsleep(arg, LWKT_PCATCH, "traces", MS) == EWOULDBLOCK,
	    "its interrupt");
}

static int
begins_anew(void *arg)
{
	lwkt_thread_t td;
	int i;

	(void)arg;
	for (i = 0; i < 3; i++) {
		td = spawn(leaves_traces, &ran_on, 0, lwkt_cpuid());
		join(td);
		check(spawn(finds_none, &ran_on, 0, lwkt_cpuid()) == td,
		    "another structure");
		join(td);
	}
	return 0;
}

static int
nostart_waits(void *arg)
{
	uint32_t before = ran_on[0] = 0;
	lwkt_thread_t td = spawn(note_cpu, NULL, LWKT_NOSTART, 0);

	(void)arg;
	settle(0, LWKT_PRI_USER_NORM);
	check(ran_on[0] == before, "it ran before it was scheduled");
	lwkt_schedule(td);
	join(td);
	check(ran_on[0] == before + 1, "it ran %u times", ran_on[0]);
	return 0;
}

/* What a thread finds when it begins. */
struct birth {
	lwkt_thread_t	b_self;
	int		b_cpu;
	int		b_pri;
	int		b_crit;
	int		b_errno;
	size_t		b_stack;
};

static void
born(void *arg)
{
	struct birth *b = arg;

	b->b_self = lwkt_self();
	b->b_cpu = lwkt_cpuid();
	b->b_pri = lwkt_getpri(b->b_self);
	b->b_crit = curthread->td_critcount;
	b->b_errno = errno;
	b->b_stack = curthread->td_stksize;
}

static int
begins_clean(void *arg)
{
	struct birth b = { .b_crit = -1, .b_errno = -1 };
	lwkt_thread_t td;

	(void)arg;
	errno = ENOTTY;
	td = spawn(born, &b, 0, lwkt_ncpus() - 1);
	join(td);
	check(b.b_self == td && b.b_cpu == lwkt_ncpus() - 1, "on cpu %d",
	    b.b_cpu);
	check(b.b_pri == LWKT_PRI_KERN_DAEMON && b.b_crit == 0 &&
	    b.b_errno == 0, "priority %d, count %d, errno %d", b.b_pri,
	    b.b_crit, b.b_errno);
	check(b.b_stack >= 32768, "stack %zu", b.b_stack);
	return 0;
}

static int
template_is_started(void *arg)
{
	struct birth b = { 0 };
	lwkt_thread_t tmpl, td = NULL;
	int cpu = lwkt_ncpus() - 1;

	(void)arg;
	tmpl = lwkt_alloc_thread(200000, cpu, LWKT_JOINABLE);
	check(tmpl != NULL, "alloc");
	lwkt_setpri_initial(tmpl, LWKT_PRI_SOFT_NORM);
	check(lwkt_create(born, &b, &td, tmpl, 0, 0, "tmpl") == 0 &&
	    td == tmpl, "the template itself is started");
	join(td);
	check(b.b_self == tmpl && b.b_cpu == cpu && b.b_stack >= 200000 &&
	    b.b_pri == LWKT_PRI_SOFT_NORM, "cpu %d, stack %zu, priority %d",
	    b.b_cpu, b.b_stack, b.b_pri);
	/* Joinable by the flags of lwkt_create alone. */
	tmpl = lwkt_alloc_thread(0, cpu, 0);
	check(lwkt_create(born, &b, NULL, tmpl, LWKT_JOINABLE, 0, "t") == 0,
	    "create");
	join(tmpl);
	return 0;
}

static int
never_started(void *arg)
{
	int64_t made, i;

	(void)arg;
	lwkt_free_thread(lwkt_alloc_thread(0, 0, LWKT_JOINABLE));
	made = counter("vm.threads_made");
	for (i = 0; i < 100; i++)
		lwkt_free_thread(lwkt_alloc_thread(0, 0,
		    i % 2 ? LWKT_JOINABLE : 0));
	check(counter("vm.threads_made") == made, "%d more were made",
	    (int)(counter("vm.threads_made") - made));
	return 0;
}

static int
storage_of_caller(void *arg)
{
	static struct lwkt_thread_storage storage[4];
	static char stack[4][32768] __attribute__((aligned(64)));
	struct birth b = { 0 };
	lwkt_thread_t td;
	int round, i;

	(void)arg;
	for (round = 0; round < TIMES(100, 5); round++) {
		i = round % 4;
		td = lwkt_init_thread(&storage[i], stack[i], sizeof(stack[i]),
		    LWKT_JOINABLE, (round / 2) % lwkt_ncpus());
		check((void *)td == (void *)&storage[i], "not in the storage");
		check(lwkt_create(born, &b, NULL, td, 0, 0, "mine") == 0,
		    "create");
		join(td);
		check(b.b_self == td, "another thread ran");
		/* It is ours again: nobody may touch it any more. */
		memset(&storage[i], 0xa5, sizeof(storage[i]));
		memset(stack[i], 0xa5, sizeof(stack[i]));
	}
	return 0;
}

/* (race 5 of the history: who looks at a thread keeps it) */
static int
hold_keeps(void *arg)
{
	lwkt_thread_t td = spawn(util_nothing, NULL, LWKT_NOSTART,
	    lwkt_ncpus() - 1);
	lwkt_thread_t other;
	int i;

	(void)arg;
	lwkt_hold(td);
	lwkt_schedule(td);
	join(td);
	for (i = 0; i < 50; i++) {
		other = spawn(util_nothing, NULL, 0, LWKT_CPU_ROTATE);
		check(other != td, "a held thread was used again");
		join(other);
	}
	check(strcmp(lwkt_name(td), "worker") == 0, "its name changed");
	lwkt_schedule(td);		/* refused: it has ended */
	lwkt_rele(td);
	return 0;
}

static void
hold_and_rele(void *arg)
{
	int i;

	for (i = 0; i < TIMES(20000, 30); i++) {
		lwkt_hold(arg);
		lwkt_rele(arg);
	}
	lwkt_rele(arg);			/* the one that came with it */
}

static int
last_rele_frees(void *arg)
{
	lwkt_thread_t td, h[8];
	int64_t made;
	int n = lwkt_ncpus(), cpu, i;

	(void)arg;
	for (i = 0; i < 20; i++) {
		td = spawn(util_nothing, NULL, 0, i % n);
		for (cpu = 0; cpu < n; cpu++) {
			lwkt_hold(td);
			h[cpu] = spawn(hold_and_rele, td, 0, cpu);
		}
		join(td);
		for (cpu = 0; cpu < n; cpu++)
			join(h[cpu]);
	}
	made = counter("vm.threads_made");
	check(made <= 64 * (n + 1), "%d threads made for %d", (int)made,
	    n + 1);
	return 0;
}

static void
exits_early(void *arg)
{
	*(int *)arg = 1;
	lwkt_exit();
}

static int
exit_ends(void *arg)
{
	int reached = 0;

	(void)arg;
	join(spawn(exits_early, &reached, 0, lwkt_ncpus() - 1));
	check(reached == 1, "it did not run");
	return 0;
}

/*
 * (race 4 of the history: nothing may block or be queued after the last
 * switch)
 */
static uint32_t ident;

static void
exits_queued(void *arg)
{
	(void)arg;
	lwkt_tsleep_interlock(&ident, 0);
}

static int
exit_leaves_sleep_queue(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 10; i++) {
		join(spawn(exits_queued, NULL, 0, i % lwkt_ncpus()));
		lwkt_wakeup(&ident);
	}
	lwkt_synchronize_ipiqs("test");
	return 0;
}

/*
 * Race 5 of the history: threads are looked through while others begin, move
 * and end.  Those that stay come once each.
 */
#define STAYERS	5

static uint32_t scan_stop;

static void
comes_and_goes(void *arg)
{
	(void)arg;
	while (!LOAD(scan_stop)) {
		join(spawn(util_nothing, NULL, 0, other_cpu()));
		lwkt_create(util_nothing, NULL, NULL, NULL, 0, other_cpu(),
		    "worker");
		lwkt_migratecpu(other_cpu());
	}
}

static void
scan(lwkt_thread_t *stays, int batch)
{
	lwkt_thread_t got[8];
	int seen[STAYERS] = { 0 }, i, k, n;
	uint64_t pos = 0, id;

	while ((n = lwkt_scan_threads(&pos, got, batch)) > 0) {
		check(n <= batch, "%d of %d", n, batch);
		for (i = 0; i < n; i++) {
			id = got[i]->td_id;
			check(LOAD(got[i]->td_refs) > 0, "it is not held");
			for (k = 0; k < STAYERS; k++)
				seen[k] += got[i] == stays[k];
			if (i % 2 != 0)
				lwkt_yield();
			check(got[i]->td_id == id, "a held thread is gone");
			lwkt_rele(got[i]);
		}
	}
	for (k = 0; k < STAYERS; k++)
		check(seen[k] == 1, "thread %d came %d times", k, seen[k]);
}

static int
scans(void *arg)
{
	lwkt_thread_t stays[STAYERS], busy[2];
	int i;

	(void)arg;
	STORE(scan_stop, 0);
	for (i = 0; i < STAYERS; i++)
		stays[i] = spawn(util_nothing, NULL, LWKT_NOSTART,
		    i % lwkt_ncpus());
	for (i = 0; i < 2; i++)
		busy[i] = spawn_on(i, comes_and_goes, NULL);
	for (i = 1; i <= 8; i *= 2) {
		scan(stays, i);
		lwkt_yield();
	}
	STORE(scan_stop, 1);
	join_all(busy, 2);
	for (i = 0; i < STAYERS; i++) {
		lwkt_schedule(stays[i]);
		join(stays[i]);
	}
	return 0;
}

static int
named_before_start(void *arg)
{
	lwkt_thread_t td = spawn(util_nothing, NULL, LWKT_NOSTART, 0);

	(void)arg;
	lwkt_set_comm(td, "%s %d", "worker", 7);
	check(strcmp(lwkt_name(td), "worker 7") == 0, "%s", lwkt_name(td));
	lwkt_schedule(td);
	join(td);
	return 0;
}

static int
named_too_late(void *arg)
{
	(void)arg;
	lwkt_set_comm(spawn(util_nothing, NULL, 0, 0), "late");
	return 0;
}

static int
sync_with_spinlock(void *arg)
{
	static struct lwkt_spin spin = LWKT_SPIN_INITIALIZER("held");
	lwkt_thread_t td;
	uint64_t pos = 0;

	(void)arg;
	lwkt_spin_lock(&spin);
	return lwkt_scan_threads(&pos, &td, 1);
}

int
main(void)
{
	panics("naming a thread that runs panics", named_too_late,
	    "thread \"worker\" has started");
	panics("a scan with a spinlock held panics", sync_with_spinlock,
	    "with a spinlock held");
	check_failures = 0;
	check(lwkt_self() == NULL && lwkt_cpuid() == -1 && lwkt_ncpus() == 0,
	    "outside there is no thread");
	ok(check_failures == 0, "outside of a boot there are no CPUs");
	sim_explore("a thread runs on the CPU that was asked for",
	    runs_where_asked, NULL, 50);
	sim_explore("LWKT_CPU_ROTATE takes each CPU in turn", rotates, NULL,
	    50);
	sim_explore("nonsense is refused", refuses_nonsense, NULL, 20);
	sim_explore("names are formatted and cut", names, NULL, 20);
	sim_explore("names of all lengths, at the end of a page",
	    names_of_all_lengths, NULL, 1);
	sim_explore("a thread begins without the traces of another",
	    begins_anew, NULL, 20);
	sim_explore("LWKT_NOSTART waits for lwkt_schedule", nostart_waits,
	    NULL, 50);
	sim_explore("a thread begins without its creator's state",
	    begins_clean, NULL, 50);
	sim_explore("a template is the thread that starts",
	    template_is_started, NULL, 50);
	sim_explore("a thread that never started is given back",
	    never_started, NULL, 20);
	sim_explore("storage of the caller is the caller's after the join",
	    storage_of_caller, NULL, 200);
	sim_explore("a held thread keeps its structure", hold_keeps, NULL,
	    100);
	sim_explore("the last release frees, on whichever CPU",
	    last_rele_frees, NULL, 100);
	sim_explore("lwkt_exit ends the thread", exit_ends, NULL, 50);
	sim_explore("a dying thread leaves its sleep queue",
	    exit_leaves_sleep_queue, NULL, 100);
	sim_explore("threads are looked through while others come and go",
	    scans, NULL, 100);
	sim_explore("a thread gets another name before it starts",
	    named_before_start, NULL, 20);
	return tap_done();
}

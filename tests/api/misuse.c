/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A programmer's error ends the process with a report that says what it was.
 *
 * Each case runs in a child process, which must die by SIGABRT (an overflow
 * of a stack by SIGSEGV) and have said the words on stderr.
 */
#include <lwkt/cpusync.h>
#include <lwkt/ipiq.h>
#include <lwkt/lock.h>
#include <lwkt/lwkt.h>
#include <lwkt/malloc.h>
#include <lwkt/mtx.h>
#include <lwkt/serialize.h>
#include <lwkt/spinlock.h>
#include <lwkt/sync.h>
#include <lwkt/systimer.h>
#include <lwkt/token.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

static struct lwkt_msg msg;
static struct lwkt_port port;
static struct lwkt_systimer timer;

static void
nothing(void *arg)
{
	(void)arg;
}

static lwkt_thread_t
start(void (*fn)(void *), int flags, int cpu)
{
	lwkt_thread_t td;

	if (lwkt_create(fn, NULL, &td, NULL, flags, cpu, "victim") != 0)
		_exit(1);
	return td;
}

static int
join_twice(void *arg)
{
	lwkt_thread_t td = start(nothing, LWKT_JOINABLE, 0);

	(void)arg;
	lwkt_join(td);
	lwkt_join(td);
	return 0;
}

static int
free_twice(void *arg)
{
	lwkt_thread_t td = lwkt_alloc_thread(0, 0, 0);

	(void)arg;
	lwkt_free_thread(td);
	lwkt_free_thread(td);
	return 0;
}

static int
free_started(void *arg)
{
	(void)arg;
	lwkt_free_thread(start(nothing, LWKT_JOINABLE, 0));
	return 0;
}

static int
release_twice(void *arg)
{
	lwkt_thread_t td = start(nothing, LWKT_JOINABLE, 0);

	(void)arg;
	lwkt_hold(td);
	lwkt_join(td);
	lwkt_rele(td);
	lwkt_rele(td);
	return 0;
}

static int
schedule_dead(void *arg)
{
	lwkt_thread_t td = start(nothing, LWKT_JOINABLE, 0);

	(void)arg;
	lwkt_join(td);
	lwkt_schedule(td);
	return 0;
}

static void
exits_in_crit(void *arg)
{
	(void)arg;
	lwkt_crit_enter();
}

static int
exit_in_crit(void *arg)
{
	(void)arg;
	return lwkt_join(start(exits_in_crit, LWKT_JOINABLE, 0));
}

static int
crit_underflow(void *arg)
{
	(void)arg;
	lwkt_crit_exit();
	return 0;
}

static void
sleeps(void *arg)
{
	lwkt_tsleep(arg, 0, "never", LWKT_FOREVER);
}

static int
block_in_ipi(void *arg)
{
	(void)arg;
	lwkt_wait_ipiq(1, lwkt_send_ipiq(1, sleeps, &port));
	return 0;
}

static void
timer_sleeps(struct lwkt_systimer *st, void *arg)
{
	(void)st, (void)arg;
	lwkt_sleep_ns(1000);
}

static int
block_in_timer(void *arg)
{
	(void)arg;
	lwkt_systimer_init_oneshot(&timer, timer_sleeps, NULL, 1000);
	return lwkt_sleep_ns(1000000000);
}

static int
tsleep_null(void *arg)
{
	(void)arg;
	return lwkt_tsleep(NULL, 0, "null", LWKT_FOREVER);
}

static int
setpri_high(void *arg)
{
	(void)arg;
	lwkt_setpri_self(LWKT_PRI_MAX + 1);
	return 0;
}

static int
setpri_remote(void *arg)
{
	(void)arg;
	lwkt_setpri(start(nothing, LWKT_NOSTART, 1), LWKT_PRI_KERN_USER);
	return 0;
}

static int
setpri_initial_late(void *arg)
{
	(void)arg;
	lwkt_setpri_initial(lwkt_self(), LWKT_PRI_KERN_USER);
	return 0;
}

static int
ipi_nowhere(void *arg)
{
	(void)arg;
	lwkt_send_ipiq(7, nothing, NULL);
	return 0;
}

static void
nothing2(void *arg1, int arg2)
{
	(void)arg1, (void)arg2;
}

static int
ipi_passive_self(void *arg)
{
	(void)arg;
	lwkt_send_ipiq_passive(lwkt_cpuid(), nothing2, NULL, 0);
	return 0;
}

static int
timer_elsewhere(void *arg)
{
	(void)arg;
	lwkt_systimer_init_oneshot(&timer, timer_sleeps, NULL, 1000000000);
	lwkt_migratecpu(1);
	lwkt_systimer_del(&timer);
	return 0;
}

static int
timer_no_period(void *arg)
{
	(void)arg;
	lwkt_systimer_init_periodic(&timer, timer_sleeps, NULL, 0, 0);
	return 0;
}

static int
send_twice(void *arg)
{
	(void)arg;
	lwkt_initport_spin(&port);
	lwkt_initmsg(&msg, lwkt_curport(), 0);
	lwkt_sendmsg(&port, &msg);
	lwkt_sendmsg(&port, &msg);
	return 0;
}

static int
reply_own(void *arg)
{
	(void)arg;
	lwkt_initmsg(&msg, lwkt_curport(), 0);
	lwkt_replymsg(&msg, 0);
	return 0;
}

static int
forward_own(void *arg)
{
	(void)arg;
	lwkt_initmsg(&msg, lwkt_curport(), 0);
	lwkt_forwardmsg(lwkt_curport(), &msg);
	return 0;
}

static int
wait_dropable(void *arg)
{
	(void)arg;
	lwkt_initport_spin(&port);
	lwkt_initmsg(&msg, lwkt_curport(), LWKT_MSGF_DROPABLE);
	lwkt_sendmsg(&port, &msg);
	return lwkt_waitmsg(&msg, 0);
}

static int
wait_dropable_timed(void *arg)
{
	(void)arg;
	lwkt_initport_spin(&port);
	lwkt_initmsg(&msg, lwkt_curport(), LWKT_MSGF_DROPABLE);
	lwkt_sendmsg(&port, &msg);
	return lwkt_waitmsg_timed(&msg, 0, 1000);
}

static int
drop_undropable(void *arg)
{
	(void)arg;
	lwkt_initport_spin(&port);
	lwkt_initmsg(&msg, lwkt_curport(), 0);
	lwkt_sendmsg(&port, &msg);
	return lwkt_dropmsg(&msg);
}

static void
put_nothing(lwkt_port_t to, lwkt_msg_t what)
{
	(void)to, (void)what;
}

static int
wait_replyonly(void *arg)
{
	(void)arg;
	lwkt_initport_replyonly(&port, put_nothing);
	lwkt_waitport(&port, 0);
	return 0;
}

static int
wait_replyonly_timed(void *arg)
{
	(void)arg;
	lwkt_initport_replyonly_null(&port);
	lwkt_waitport_timed(&port, 0, 1000);
	return 0;
}

static int
reply_putonly(void *arg)
{
	(void)arg;
	lwkt_initport_panic(&port);
	lwkt_initmsg(&msg, &port, 0);
	lwkt_sendmsg(lwkt_curport(), &msg);
	lwkt_waitport(lwkt_curport(), 0);
	lwkt_replymsg(&msg, 0);
	return 0;
}

static int
unserialized(void *arg)
{
	static struct lwkt_serialize sz;

	(void)arg;
	lwkt_serialize_init(&sz);
	lwkt_initport_serialize(&port, &sz);
	lwkt_initmsg(&msg, lwkt_curport(), 0);
	lwkt_sendmsg(&port, &msg);
	return 0;
}

static int
half_a_port(void *arg)
{
	static const struct lwkt_port_ops ops = { .getport = lwkt_getport };

	(void)arg;
	lwkt_initport(&port, &ops);
	return 0;
}

static int
queue_twice(void *arg)
{
	(void)arg;
	lwkt_initport_spin(&port);
	lwkt_initmsg(&msg, lwkt_curport(), 0);
	lwkt_sendmsg(&port, &msg);
	lwkt_port_enqueue(&port, &msg);
	return 0;
}

static int
select_foreign_port(void *arg)
{
	lwkt_port_t theirs;

	(void)arg;
	theirs = lwkt_threadport(start(nothing, LWKT_NOSTART, 0));
	lwkt_port_select(&theirs, 1, NULL, 0, 0);
	return 0;
}

static int
wait_foreign_port(void *arg)
{
	(void)arg;
	lwkt_waitport(lwkt_threadport(start(nothing, LWKT_NOSTART, 0)), 0);
	return 0;
}

static int
panic_port(void *arg)
{
	(void)arg;
	lwkt_initport_panic(&port);
	lwkt_initmsg(&msg, lwkt_curport(), 0);
	lwkt_sendmsg(&port, &msg);
	return 0;
}

static struct lwkt_token token = LWKT_TOKEN_INITIALIZER("coin");
static struct lwkt_spin spin = LWKT_SPIN_INITIALIZER("top");
static struct lwkt_mtx mtx = LWKT_MTX_INITIALIZER("latch");
static struct lwkt_lock lock = LWKT_LOCK_INITIALIZER("bolt", 0, 0);
static struct lwkt_serialize slz = LWKT_SERIALIZE_INITIALIZER;
static struct lwkt_mutex mutex = LWKT_MUTEX_INITIALIZER("door");

static int
token_not_held(void *arg)
{
	(void)arg;
	lwkt_reltoken(&token);
	return 0;
}

static void
keeps_token(void *arg)
{
	(void)arg;
	lwkt_gettoken(&token);
}

static int
exit_with_token(void *arg)
{
	(void)arg;
	return lwkt_join(start(keeps_token, LWKT_JOINABLE, 0));
}

static int
switch_with_spin(void *arg)
{
	(void)arg;
	lwkt_spin_lock(&spin);
	lwkt_switch();
	return 0;
}

static void
keeps_spin(void *arg)
{
	(void)arg;
	lwkt_spin_lock(&spin);
}

static int
exit_with_spin(void *arg)
{
	(void)arg;
	return lwkt_join(start(keeps_spin, LWKT_JOINABLE, 0));
}

static int
switch_in_hard(void *arg)
{
	(void)arg;
	lwkt_crit_enter_hard();
	lwkt_yield();
	return 0;
}

static int
switch_as_master(void *arg)
{
	struct lwkt_cpusync cs;

	(void)arg;
	lwkt_cpusync_init(&cs, lwkt_cpumask_all(), NULL, NULL);
	lwkt_cpusync_interlock(&cs);
	lwkt_switch();
	return 0;
}

static void
replier(void *arg)
{
	lwkt_msg_t m = lwkt_waitport(lwkt_curport(), 0);

	(void)arg;
	lwkt_replymsg(m, 0);
	lwkt_replymsg(m, 0);
}

static int
reply_twice(void *arg)
{
	lwkt_thread_t td = start(replier, LWKT_JOINABLE, 0);

	(void)arg;
	lwkt_initmsg(&msg, lwkt_curport(), 0);
	lwkt_domsg(lwkt_threadport(td), &msg, 0);
	return lwkt_join(td);
}

/* Another thread has them all, exclusively. */
static int has_all;

static void
takes_all(void *arg)
{
	(void)arg;
	lwkt_mtx_lock(&mtx);
	(void)lwkt_lockmgr(&lock, LWKT_LK_EXCLUSIVE);
	lwkt_serialize_enter(&slz);
	lwkt_mutex_lock(&mutex);
	has_all = 1;
	lwkt_sleep("for ever", 0);
}

static void
others_have_all(void)
{
	(void)start(takes_all, 0, 0);
	while (!has_all)
		lwkt_yield();
}

static int
mtx_not_owned(void *arg)
{
	(void)arg;
	others_have_all();
	lwkt_mtx_unlock(&mtx);
	return 0;
}

static int
lock_not_owned(void *arg)
{
	(void)arg;
	others_have_all();
	return lwkt_lockmgr(&lock, LWKT_LK_RELEASE);
}

static int
serializer_not_owned(void *arg)
{
	(void)arg;
	others_have_all();
	lwkt_serialize_exit(&slz);
	return 0;
}

static int
mutex_not_owned(void *arg)
{
	(void)arg;
	others_have_all();
	lwkt_mutex_unlock(&mutex);
	return 0;
}

/*
 * Memory.
 */
static LWKT_MALLOC_DEFINE(M_BOOK, "book", "blocks");
static LWKT_MALLOC_DEFINE(M_LEAF, "leaf", "blocks of another type");
static LWKT_MALLOC_DEFINE(M_NEW, "new", "nothing yet");
static LWKT_MALLOC_DEFINE_OBJ(M_NOTE, 40, "note", "objects");
static LWKT_MALLOC_DEFINE_OBJ(M_SONG, 40, "song", "other objects");

static void *
book(size_t size)
{
	return lwkt_kmalloc(size, M_BOOK, LWKT_M_WAITOK);
}

static int
kfree_twice(void *arg)
{
	void *p = book(100);

	(void)arg;
	lwkt_kfree(p, M_BOOK);
	lwkt_kfree(p, M_BOOK);
	return 0;
}

static void
kfree_it(void *arg)
{
	lwkt_kfree(arg, M_BOOK);
}

static void
on_cpu_1(void (*fn)(void *), void *arg)
{
	lwkt_thread_t td;

	if (lwkt_create(fn, arg, &td, NULL, LWKT_JOINABLE, 1, "thief") != 0)
		_exit(1);
	lwkt_join(td);
}

/* Here, then elsewhere: seen when it would be given out. */
static int
kfree_here_there(void *arg)
{
	void *p = book(100);

	(void)arg;
	lwkt_kfree(p, M_BOOK);
	on_cpu_1(kfree_it, p);
	(void)book(100);
	return 0;
}

static int
kfree_there_here(void *arg)
{
	void *p = book(100);

	(void)arg;
	on_cpu_1(kfree_it, p);
	lwkt_kfree(p, M_BOOK);
	return 0;
}

static int
kfree_there_there(void *arg)
{
	void *p = book(100);

	(void)arg;
	on_cpu_1(kfree_it, p);
	on_cpu_1(kfree_it, p);
	return 0;
}

static int
kfree_null(void *arg)
{
	(void)arg;
	lwkt_kfree(NULL, M_BOOK);
	return 0;
}

static int
kfree_stack(void *arg)
{
	int here;

	(void)arg;
	lwkt_kfree(&here, M_BOOK);
	return 0;
}

static int
kfree_inside(void *arg)
{
	char *p = book(100);

	(void)arg;
	lwkt_kfree(p + 8, M_BOOK);
	return 0;
}

static int
kfree_inside_large(void *arg)
{
	char *p = book(300000);

	(void)arg;
	lwkt_kfree(p + 200000, M_BOOK);
	return 0;
}

static int
kfree_large_twice(void *arg)
{
	void *p = book(300000);

	(void)arg;
	lwkt_kfree(p, M_BOOK);
	lwkt_kfree(p, M_BOOK);
	return 0;
}

static int
kfree_other_type(void *arg)
{
	(void)arg;
	lwkt_kfree(lwkt_kmalloc(1, M_LEAF, LWKT_M_WAITOK), M_LEAF);
	lwkt_kfree(book(300000), M_LEAF);
	return 0;
}

static int
kfree_new_type(void *arg)
{
	(void)arg;
	lwkt_kfree(book(10), M_NEW);
	return 0;
}

/*
 * What is written there after the free would lead the next ones astray.  ASan
 * knows, too, and would say so in other words.
 */
static __attribute__((no_sanitize_address)) int
kfree_then_write(void *arg)
{
	volatile uint64_t *p = book(100);
	void *q = book(100);

	(void)arg;
	lwkt_kfree(q, M_BOOK);
	lwkt_kfree((void *)(uintptr_t)p, M_BOOK);
	*p = 0x4141414141414141;
	(void)book(100);
	return 0;
}

static int
kmalloc_over_limit(void *arg)
{
	(void)arg;
	lwkt_kmalloc_raise_limit(M_BOOK, 1000);
	(void)book(1001);
	return 0;
}

static int
kmalloc_no_flags(void *arg)
{
	(void)arg;
	(void)lwkt_kmalloc(1, M_BOOK, LWKT_M_ZERO);
	return 0;
}

static int
krealloc_zero(void *arg)
{
	(void)arg;
	(void)lwkt_krealloc(NULL, 1, M_BOOK, LWKT_M_WAITOK | LWKT_M_ZERO);
	return 0;
}

static int
kfree_object(void *arg)
{
	(void)arg;
	(void)book(1);
	lwkt_kfree(lwkt_kmalloc_obj(40, M_NOTE, LWKT_M_WAITOK), M_BOOK);
	return 0;
}

static int
kfree_obj_block(void *arg)
{
	(void)arg;
	lwkt_kfree_obj(book(40), M_NOTE);
	return 0;
}

static int
kfree_obj_twice(void *arg)
{
	void *p = lwkt_kmalloc_obj(40, M_NOTE, LWKT_M_WAITOK);

	(void)arg;
	lwkt_kfree_obj(p, M_NOTE);
	lwkt_kfree_obj(p, M_NOTE);
	return 0;
}

static int
kfree_obj_other(void *arg)
{
	(void)arg;
	lwkt_kfree_obj(lwkt_kmalloc_obj(40, M_NOTE, LWKT_M_WAITOK), M_SONG);
	return 0;
}

static int
kmalloc_obj_size(void *arg)
{
	(void)arg;
	(void)lwkt_kmalloc_obj(41, M_NOTE, LWKT_M_WAITOK);
	return 0;
}

static void *
kmallocs(void *arg)
{
	(void)arg;
	return book(1);
}

static int
kmalloc_pthread(void *arg)
{
	pthread_t pt;

	(void)arg;
	if (pthread_create(&pt, NULL, kmallocs, NULL) == 0)
		pthread_join(pt, NULL);
	return 0;
}

/* Not an error, but it is said; then one that ends the process. */
static void
kmalloc_waits(void *arg)
{
	(void)arg;
	lwkt_kfree(book(10), M_BOOK);
}

static int
kmalloc_in_ipi(void *arg)
{
	lwkt_wait_ipiq(1, lwkt_send_ipiq(1, kmalloc_waits, NULL));
	return kfree_null(arg);
}

static int
panic_self(void *arg)
{
	(void)arg;
	lwkt_setname("the culprit");
	lwkt_panic("%d is not %s", 6, "seven");
}

static struct {
	const char	*c_what;
	int		(*c_body)(void *);
	const char	*c_words;
} cases[] = {
	{ "joining twice", join_twice, "joined or released, but no reference" },
	{ "freeing twice", free_twice, "freed before" },
	{ "freeing a thread that has started", free_started, "has started" },
	{ "releasing too often", release_twice, "released, but no" },
	{ "scheduling a dead thread", schedule_dead, "dead thread" },
	{ "ending in a critical section", exit_in_crit,
	    "thread \"victim\" exits in a critical section" },
	{ "leaving a critical section too often", crit_underflow,
	    "left more often than entered" },
	{ "sleeping in an IPI callback", block_in_ipi,
	    "blocks in a callback on cpu 1" },
	{ "sleeping in a timer's function", block_in_timer,
	    "blocks in a callback on cpu 0" },
	{ "sleeping on NULL", tsleep_null, "ident != NULL" },
	{ "a priority that does not exist", setpri_high, "priority 32" },
	{ "the priority of a thread elsewhere", setpri_remote,
	    "thread \"victim\" belongs to cpu 1, not to the caller's cpu 0" },
	{ "an initial priority too late", setpri_initial_late,
	    "thread \"main\" has started" },
	{ "an IPI to nowhere", ipi_nowhere, "cpu 7 does not exist" },
	{ "a passive IPI to oneself", ipi_passive_self,
	    "sends a passive message to itself" },
	{ "deleting a timer elsewhere", timer_elsewhere,
	    "of cpu 0 is deleted on cpu 1" },
	{ "a period of nothing", timer_no_period, "period of 0 ns" },
	{ "sending twice", send_twice, "is not the sender's" },
	{ "replying to one's own message", reply_own,
	    "is not the receiver's" },
	{ "forwarding what was not received", forward_own,
	    "is not the receiver's" },
	{ "waiting for a dropable message", wait_dropable,
	    "no thread can wait for it" },
	{ "waiting for one some time", wait_dropable_timed,
	    "no thread can wait for it" },
	{ "dropping what is not dropable", drop_undropable,
	    "dropped without LWKT_MSGF_DROPABLE" },
	{ "waiting at a replyonly port", wait_replyonly, "has no queue" },
	{ "waiting at a null port", wait_replyonly_timed, "has no queue" },
	{ "replying to a panic port", reply_putonly, "takes no replies" },
	{ "a serialize port without its serializer", unserialized,
	    "thread \"main\", which does not hold serializer" },
	{ "a port without functions", half_a_port, "is missing" },
	{ "queueing a message twice", queue_twice, "is queued already" },
	{ "selecting another thread's port", select_foreign_port,
	    "belongs to thread \"victim\", not to \"main\"" },
	{ "waiting on another thread's port", wait_foreign_port,
	    "belongs to thread \"victim\", not to \"main\"" },
	{ "sending to a port that must not be used", panic_port,
	    "which takes no messages" },
	{ "releasing a token not held", token_not_held,
	    "thread \"main\" releases token \"coin\"" },
	{ "ending with a token", exit_with_token,
	    "thread \"victim\" exits with token \"coin\"" },
	{ "switching with a spinlock", switch_with_spin,
	    "thread \"main\" blocks with spinlock \"top\" held on cpu 0" },
	{ "ending with a spinlock", exit_with_spin, "thread \"victim\" exits" },
	{ "switching in a hard section", switch_in_hard,
	    "thread \"main\" blocks in a hard section on cpu 0" },
	{ "switching as the master of a rendezvous", switch_as_master,
	    "thread \"main\" blocks in a rendezvous on cpu 0" },
	{ "replying twice", reply_twice, "replied before" },
	{ "unlocking another's mtx", mtx_not_owned,
	    "mtx \"latch\" is unlocked by thread \"main\"" },
	{ "releasing another's lock", lock_not_owned,
	    "lock \"bolt\" is released, though not held, by thread \"main\"" },
	{ "leaving another's serializer", serializer_not_owned,
	    "is left by thread \"main\", which does not hold it" },
	{ "unlocking another's mutex", mutex_not_owned,
	    "mutex \"door\" is unlocked by a thread that does not hold it" },
	{ "freeing a block twice", kfree_twice, "of 104 bytes" },
	{ "freeing twice, named", kfree_twice, "cpu 0, is freed twice; seen "
	    "by thread \"main\" on cpu 0" },
	{ "freeing twice, then on another CPU", kfree_here_there,
	    "freed twice; seen by thread \"main\" on cpu 0" },
	{ "freeing twice, first on another CPU", kfree_there_here,
	    "freed twice; seen by thread \"main\" on cpu 0" },
	{ "freeing twice on another CPU", kfree_there_there,
	    "freed twice; seen by thread \"thief\" on cpu 1" },
	{ "freeing NULL", kfree_null, "did not come from kmalloc" },
	{ "freeing what is on the stack", kfree_stack,
	    "of malloc type \"book\" to thread \"main\" on cpu 0, did not "
	    "come from kmalloc" },
	{ "freeing the middle of a block", kfree_inside,
	    "is not the start of a block of 104 bytes" },
	{ "freeing the middle of a large block", kfree_inside_large,
	    "is free, or inside a block" },
	{ "freeing a large block twice", kfree_large_twice,
	    "is free, or inside a block" },
	{ "freeing a large block of another type", kfree_other_type,
	    "of malloc type \"book\" is freed as \"leaf\"" },
	{ "freeing with a type of no block", kfree_new_type,
	    "malloc type \"new\", which nothing was allocated with" },
	{ "writing to a free block", kfree_then_write, "was written" },
	{ "WAITOK beyond the limit", kmalloc_over_limit,
	    "malloc type \"book\": no 1001 bytes for thread \"main\" on cpu "
	    "0: 0 in use, limit 1000" },
	{ "neither WAITOK nor NOWAIT", kmalloc_no_flags, "flags 0x100" },
	{ "krealloc with ZERO", krealloc_zero,
	    "krealloc does not take M_ZERO" },
	{ "freeing an object as a block", kfree_object,
	    "came from kmalloc_obj" },
	{ "freeing a block as an object", kfree_obj_block,
	    "did not come from kmalloc_obj" },
	{ "freeing an object twice", kfree_obj_twice,
	    "malloc type \"note\" is freed twice by thread \"main\"" },
	{ "freeing an object of another type", kfree_obj_other,
	    "malloc type \"note\" is freed as \"song\"" },
	{ "an object of another size", kmalloc_obj_size,
	    "41 bytes are requested, its objects have 40" },
	{ "kmalloc by a pthread", kmalloc_pthread,
	    "lwkt_kmalloc is called by a pthread" },
	{ "WAITOK in a callback (a warning)", kmalloc_in_ipi,
	    "malloc type \"book\": 10 bytes are requested with M_WAITOK in a "
	    "callback or a hard section on cpu 1" },
	{ "a panic", panic_self, "lwkt: panic: 6 is not seven" },
	{ "a panic, about who", panic_self, "thread \"the culprit\"" },
};

static int
case_run(int (*body)(void *), char *said, size_t size)
{
	const struct lwkt_config cfg = { .lc_ncpus = 2 };
	const struct rlimit none = { 0, 0 };
	char rest[4096];
	int fd[2], status = 0;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	if (pipe(fd) != 0 || (pid = fork()) < 0)
		return -1;
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &none);
		dup2(fd[1], STDERR_FILENO);
		close(fd[0]);
		close(fd[1]);
		alarm(20);
		_exit(lwkt_boot(&cfg, body, NULL) & 0x7f);
	}
	close(fd[1]);
	while (len < size - 1 &&
	    (n = read(fd[0], said + len, size - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	while (read(fd[0], rest, sizeof(rest)) > 0)
		continue;
	close(fd[0]);
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

int
main(void)
{
	static char said[16384];
	int sig;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sig = case_run(cases[i].c_body, said, sizeof(said));
		if (!ok(sig == SIGABRT && strstr(said, cases[i].c_words),
		    "%s panics: %s", cases[i].c_what, cases[i].c_words))
			diag("signal %d, said: %.300s", sig, said);
	}
	return tap_done();
}

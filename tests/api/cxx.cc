/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * C++: exceptions, destructors and locks, over everything that can switch.
 */
#include <lwkt/lwp.h>
#include <lwkt/lwkt.h>
#include <lwkt/sync.h>
#include <lwkt/token.h>

#include <exception>
#include <stdexcept>
#include <string>

#include "tap.h"

#define ROUNDS	20

static unsigned stop, passed;		/* atomic */
static struct lwkt_mutex mutex = LWKT_MUTEX_INITIALIZER("cxx");
static struct lwkt_token token = LWKT_TOKEN_INITIALIZER("cxx");

/* The ways to give the CPU away, one a number. */
enum way { YIELD, SLEEP, MESSAGE, MIGRATE, COMPUTE, WAYS };

struct request {
	struct lwkt_msg	rq_msg;
	bool		rq_last;
};

static lwkt_port_t echo_port;

/* Answers until the message says stop. */
static void
echo(void *arg)
{
	struct request *rq;
	bool last;

	(void)arg;
	__atomic_store_n(&echo_port, lwkt_curport(), __ATOMIC_RELEASE);
	do {
		rq = static_cast<struct request *>(
		    lwkt_waitport(lwkt_curport(), 0));
		last = rq->rq_last;
		lwkt_replymsg(&rq->rq_msg, 0);
	} while (!last);
}

static void
message(bool last)
{
	struct request rq;

	lwkt_initmsg(&rq.rq_msg, lwkt_curport(), 0);
	rq.rq_last = last;
	(void)lwkt_domsg(echo_port, &rq.rq_msg, 0);
}

static void
give_way(int way)
{
	switch (way) {
	case YIELD:
		lwkt_yield();
		break;
	case SLEEP:
		(void)lwkt_sleep_ns(100000);
		break;
	case MESSAGE:
		message(false);
		break;
	case MIGRATE:
		(void)lwkt_migratecpu((lwkt_cpuid() + 1) % lwkt_ncpus());
		break;
	default:
		for (volatile unsigned n = 0; n < 1000000; n = n + 1)
			;
		break;
	}
}

static std::string
text(int id, int round)
{
	return "thread " + std::to_string(id) + " round " +
	    std::to_string(round);
}

/* Gives way while it is destroyed by an exception in flight. */
class unwound {
	int	way_;
	int	before_;
	bool   &good_;
public:
	unwound(int way, bool &good) : way_(way),
	    before_(std::uncaught_exceptions()), good_(good) { }
	~unwound()
	{
		for (int i = 0; i < 3; i++) {
			give_way(way_);
			good_ = good_ &&
			    std::uncaught_exceptions() == before_ + 1;
		}
	}
};

class mutex_guard {
public:
	mutex_guard() { lwkt_mutex_lock(&mutex); }
	~mutex_guard() { lwkt_mutex_unlock(&mutex); }
};

class token_guard {
public:
	token_guard() { lwkt_gettoken(&token); }
	~token_guard() { lwkt_reltoken(&token); }
};

struct job {
	int	j_id;
	int	j_way;
	bool	j_good;
};

/* Throw and catch; rethrow, nest, carry on: whose exception is it? */
static bool
one_round(const struct job *j, int round)
{
	const std::string mine = text(j->j_id, round);
	std::exception_ptr kept;
	bool good = true;

	try {
		unwound u(j->j_way, good);
		throw std::runtime_error(mine);
	} catch (const std::exception &e) {
		give_way(j->j_way);
		good = good && mine == e.what();
		try {
			throw std::logic_error("inner " + mine);
		} catch (const std::logic_error &inner) {
			give_way(j->j_way);
			good = good && inner.what() == "inner " + mine;
		}
		kept = std::current_exception();
		try {
			give_way(j->j_way);
			throw;
		} catch (const std::runtime_error &again) {
			give_way(j->j_way);
			good = good && mine == again.what();
		}
	}
	good = good && std::uncaught_exceptions() == 0 &&
	    std::current_exception() == nullptr;
	try {
		std::rethrow_exception(kept);
	} catch (const std::exception &e) {
		give_way(j->j_way);
		good = good && mine == e.what();
	}
	return good;
}

static void
worker(void *arg)
{
	struct job *j = static_cast<struct job *>(arg);

	for (int i = 0; i < ROUNDS; i++)
		j->j_good = one_round(j, i) && j->j_good;
}

static int
exceptions_are_own(void *arg)
{
	const char *const name = static_cast<const char *>(arg);
	struct job jobs[4 * WAYS];
	lwkt_thread_t td[4 * WAYS], server;
	bool good = true;
	int i, flags;

	(void)lwkt_create(echo, nullptr, &server, nullptr, LWKT_JOINABLE, 0,
	    "echo");
	while (__atomic_load_n(&echo_port, __ATOMIC_ACQUIRE) == nullptr)
		lwkt_yield();
	for (i = 0; i < 4 * WAYS; i++) {
		jobs[i] = { i, i % WAYS, true };
		flags = i % WAYS == COMPUTE ? LWKT_PREEMPTIBLE : 0;
		(void)lwkt_create(worker, &jobs[i], &td[i], nullptr,
		    LWKT_JOINABLE | flags, LWKT_CPU_ROTATE, "job %d", i);
	}
	for (i = 0; i < 4 * WAYS; i++) {
		(void)lwkt_join(td[i]);
		if (!jobs[i].j_good)
			diag("way %d", jobs[i].j_way);
		good = good && jobs[i].j_good;
	}
	message(true);
	(void)lwkt_join(server);
	echo_port = nullptr;
	ok(good, "each thread has its own exceptions, %s", name);
	return 0;
}

static void
locker(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		try {
			mutex_guard m;
			lwkt_yield();
			token_guard t;
			lwkt_yield();
			throw i;
		} catch (int n) {
			lwkt_yield();
			if (n == i && !lwkt_mutex_owned(&mutex) &&
			    !lwkt_token_held_excl(&token))
				__atomic_add_fetch(&passed, 1,
				    __ATOMIC_SEQ_CST);
		}
	}
}

static int
destructors_give_locks_back(void *arg)
{
	lwkt_thread_t td[6];

	(void)arg;
	for (lwkt_thread_t &t : td)
		(void)lwkt_create(locker, nullptr, &t, nullptr, LWKT_JOINABLE,
		    LWKT_CPU_ROTATE, "locker");
	for (lwkt_thread_t t : td)
		(void)lwkt_join(t);
	is_int(passed, 6 * ROUNDS,
	    "destructors release mutexes and tokens on the way out");
	return 0;
}

/* An lwp: loses the CPU in its catch block, by the tick. */
static void
computes_in_a_catch(void *arg)
{
	struct job *j = static_cast<struct job *>(arg);

	while (__atomic_load_n(&stop, __ATOMIC_RELAXED) == 0)
		j->j_good = one_round(j, 0) && j->j_good;
}

static int
lwps_too(void *arg)
{
	struct job jobs[4];
	lwkt_lwp_t lp[4];
	bool good = true;
	int i;

	(void)arg;
	stop = 0;
	for (i = 0; i < 4; i++) {
		jobs[i] = { i, COMPUTE, true };
		(void)lwkt_lwp_create(computes_in_a_catch, &jobs[i], &lp[i],
		    nullptr, LWKT_JOINABLE, "lwp %d", i);
	}
	for (i = 0; i < 10; i++)
		(void)lwkt_sleep_ns(10000000);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < 4; i++) {
		(void)lwkt_lwp_join(lp[i]);
		good = good && jobs[i].j_good;
	}
	ok(good, "lwps that lose the CPU in a catch block keep theirs");
	return 0;
}

/* What a function-local static has to be under preemption: lwkt_once. */
static struct lwkt_once table_once;
static unsigned table_value, table_made;

static void
table_make(void *arg)
{
	(void)arg;
	for (int i = 0; i < 50; i++)
		give_way(COMPUTE);
	table_made++;
	table_value = 7;
}

static void
table_user(void *arg)
{
	lwkt_once(&table_once, table_make, nullptr);
	if (table_value == 7)
		__atomic_add_fetch(static_cast<unsigned *>(arg), 1,
		    __ATOMIC_SEQ_CST);
}

static int
once_is_made_for_it(void *arg)
{
	lwkt_thread_t td[4];
	unsigned users = 0;

	(void)arg;
	for (lwkt_thread_t &t : td)
		(void)lwkt_create(table_user, &users, &t, nullptr,
		    LWKT_JOINABLE | LWKT_PREEMPTIBLE, LWKT_CPU_ROTATE, "user");
	for (lwkt_thread_t t : td)
		(void)lwkt_join(t);
	ok(users == 4 && table_made == 1,
	    "lwkt_once serves preemptible threads: %u users, made %u times",
	    users, table_made);
	return 0;
}

/* A function-local static whose initialiser does not give way. */
static const std::string &
quick_static()
{
	static const std::string s = text(1, 2);

	return s;
}

static void
static_user(void *arg)
{
	if (quick_static() == text(1, 2))
		__atomic_add_fetch(static_cast<unsigned *>(arg), 1,
		    __ATOMIC_SEQ_CST);
}

static int
statics_of_cooperative_threads(void *arg)
{
	lwkt_thread_t td[8];
	unsigned users = 0;

	(void)arg;
	for (lwkt_thread_t &t : td)
		(void)lwkt_create(static_user, &users, &t, nullptr,
		    LWKT_JOINABLE, LWKT_CPU_ROTATE, "user");
	for (lwkt_thread_t t : td)
		(void)lwkt_join(t);
	is_int(users, 8, "a static that does not give way while it is made");
	return 0;
}

/* In a critical section nothing takes the CPU from the one that makes it. */
static unsigned
slow_static()
{
	static unsigned t = (table_make(nullptr), table_value);

	return t;
}

static void
guarded_user(void *arg)
{
	unsigned n;

	lwkt_crit_enter();
	n = slow_static();
	lwkt_crit_exit();
	if (n == 7)
		__atomic_add_fetch(static_cast<unsigned *>(arg), 1,
		    __ATOMIC_SEQ_CST);
}

static int
critical_sections_guard_statics(void *arg)
{
	lwkt_thread_t td[4];
	unsigned users = 0;

	(void)arg;
	for (lwkt_thread_t &t : td)
		(void)lwkt_create(guarded_user, &users, &t, nullptr,
		    LWKT_JOINABLE | LWKT_PREEMPTIBLE, LWKT_CPU_ROTATE, "user");
	for (lwkt_thread_t t : td)
		(void)lwkt_join(t);
	is_int(users, 4, "preemptible threads make a static in a critical "
	    "section");
	return 0;
}

static int
boot(int ncpus, int (*fn)(void *), const char *name)
{
	struct lwkt_config cfg = lwkt_config();

	cfg.lc_ncpus = ncpus;
	return lwkt_boot(&cfg, fn, const_cast<char *>(name));
}

/*
 * With an argument: where nothing is interrupted, as in a static program.  TSan
 * keeps the signals back that would interrupt.
 */
int
main(int argc, char **argv)
{
	(void)argv;
	boot(1, exceptions_are_own, "on one CPU");
	boot(3, exceptions_are_own, "on three CPUs");
	boot(2, destructors_give_locks_back, nullptr);
	boot(2, statics_of_cooperative_threads, nullptr);
	if (argc < 2 && !TAP_TSAN) {
		boot(2, lwps_too, nullptr);
		boot(2, once_is_made_for_it, nullptr);
		boot(2, critical_sections_guard_statics, nullptr);
	}
	try {
		throw std::runtime_error("of main");
	} catch (const std::exception &e) {
		boot(1, exceptions_are_own, "booted in a catch block");
		try {
			throw;
		} catch (const std::runtime_error &again) {
			is_str(again.what(), "of main",
			    "the caller of lwkt_boot has its own again");
		}
	}
	return tap_done();
}

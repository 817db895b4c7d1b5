/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every_header.py compiles after all headers, in each standard of C and
 * C++: all that a header does only when it is used.
 */
#define S	static __attribute__((unused))

/* Each ..._INITIALIZER and ..._DEFINE of the headers. */
S struct lwkt_lock lock = LWKT_LOCK_INITIALIZER("lock", 0, 0);
S struct lwkt_mtx mtx = LWKT_MTX_INITIALIZER("mtx");
S struct lwkt_serialize serialize = LWKT_SERIALIZE_INITIALIZER;
S struct lwkt_spin spin = LWKT_SPIN_INITIALIZER("spin");
S struct lwkt_mutex mutex = LWKT_MUTEX_INITIALIZER("mutex");
S struct lwkt_cond cond = LWKT_COND_INITIALIZER("cond");
S struct lwkt_sem sem = LWKT_SEM_INITIALIZER(1, "sem");
S struct lwkt_rwlock rwlock = LWKT_RWLOCK_INITIALIZER("rwlock");
S struct lwkt_barrier barrier = LWKT_BARRIER_INITIALIZER(2, "barrier");
S struct lwkt_waitgroup waitgroup = LWKT_WAITGROUP_INITIALIZER(2, "group");
S struct lwkt_once once = LWKT_ONCE_INITIALIZER;
S struct lwkt_xwait xwait = LWKT_XWAIT_INITIALIZER;
S struct lwkt_token token = LWKT_TOKEN_INITIALIZER("token");
LWKT_MALLOC_DECLARE(declared);
LWKT_MALLOC_DEFINE(declared, "type", "a type");
LWKT_MALLOC_DECLARE(declared_obj);
LWKT_MALLOC_DEFINE_OBJ(declared_obj, 16, "obj", "objects");

S struct lwkt_retire retire;
void	use(void);
void	use_locks(void);

static void
nothing(void *arg)
{
	(void)arg;
}

static void
retired(struct lwkt_retire *rt)
{
	(void)rt;
}

void
use(void)
{
	struct lwkt_config cfg = { 0, 0, 0, 0 };
	lwkt_thread_t td;
	int64_t forever = LWKT_FOREVER;

	(void)lwkt_boot(&cfg, 0, 0);
	(void)lwkt_create(nothing, 0, &td, 0, LWKT_JOINABLE, LWKT_CPU_ROTATE,
	    "thread %d", 1);
	(void)lwkt_tsleep(&cfg, 0, "use", forever);
	lwkt_crit_enter_quick();
	lwkt_crit_exit_quick();
}

void
use_locks(void)
{
	lwkt_once(&once, nothing, 0);
	lwkt_retire(&retire, retired);
	(void)lwkt_mtx_lock(&mtx);
	lwkt_mtx_unlock(&mtx);
	LWKT_ASSERT_SERIALIZED(&serialize);
	LWKT_ASSERT_NOT_SERIALIZED(&serialize);
	LWKT_ASSERT_TOKEN_HELD(&token);
	LWKT_ASSERT_TOKEN_HELD_EXCL(&token);
}

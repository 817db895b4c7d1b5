/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A mutex that is released by a plain store, and its waiters
 * (src/kern/lock/loud.c, QO1 and QO2; src/kern/lock/mutex.c).
 *
 * Thread 0 begins on CPU 0 or 1, and may move from 0 to 1 while it holds the
 * mutex.  Thread 1 is on CPU 1.  User 2 is a pthread.  Each takes and releases
 * the mutex once; thread 1 may give up waiting once.  A plain store to the word stands
 * in the store buffer of its CPU (`stored`) until it drains; a locked
 * instruction drains the CPU's own buffer, the fence of a waiter all of them.
 * A leaf section excludes the other threads of its CPU.  Other threads and other
 * mutexes make CPUs quiet or loud.  The user that takes
 * the mutex last frees it as soon as its release returns, so each access to the
 * mutex asserts that it exists.  A waiter lends to the holder, which must not
 * return from its release before that is taken back (MU3).
 *
 * An invalid end state is a waiter that sleeps although the mutex is free.
 *
 * BUG_FENCE leaves the fence out.  BUG_LOOK does not look for waiters after the
 * store.  BUG_CALM becomes quiet by a plain store.  BUG_RISING takes a CPU that
 * is becoming loud for loud.  BUG_MOVED releases by a plain store on another
 * CPU than that of the tag.  BUG_LEAF has no leaf section.  BUG_FREED uses the
 * mutex after the store without a look at the queue.  BUG_LENT does not take
 * back what is lent to a former holder.
 */
#define USERS	3
#define CPUS	2
#define PTHREAD	2		/* user, and its "CPU": no store buffer */

/* The word: owner + 1, and bits. */
#define OWNER	3
#define SLOW	4
#define BEST	8
#define TAG(c)	((c) == PTHREAD -> 0 : 16 * ((c) + 1))
#define TAGGED	48
#define ME	(me + 1 + TAG(cpu))

#define QUIET	0
#define RISING	1
#define LOUD	2

#define NOBODY	255

byte word;		/* as others see it */
bit stored[CPUS];	/* word = 0 is in the store buffer */
byte loud[CPUS];
bit calmed[CPUS];	/* BUG_CALM: loud = QUIET is in the store buffer */
bit leaf[CPUS + 1];	/* a thread of the CPU is in a leaf section */
bit bucket;
bit queued[USERS];
byte notified[USERS];	/* 1: may try, 2: has the mutex */
byte tag[USERS];	/* of a waiter */
byte lent = NOBODY;	/* to whom */
byte users = USERS;
bit freed;
byte inside;

#define QUEUE	(queued[0] || queued[1] || queued[2])

inline drain(c)
{
	if
	:: c != PTHREAD && stored[c] ->
		assert(!freed); word = 0; stored[c] = 0
	:: else
	fi;
	if
	:: c != PTHREAD && calmed[c] -> loud[c] = QUIET; calmed[c] = 0
	:: else
	fi
}

/* Locked instructions and loads on this CPU begin with these. */
#define LOCKED	!leaf[cpu] -> drain(cpu); assert(!freed)

/* mutex_settle(): `held` says whether the mutex is held. */
inline settle()
{
	do
	:: atomic { LOCKED;
		w = word;
		held = (w & OWNER) != 0;
		if
		:: QUEUE -> word = word | BEST | (held -> SLOW : 0)
		:: else -> word = word & ~BEST
		fi;
		if
		:: !held && !QUEUE -> word = 0
		:: else
		fi;
		fresh = held && (word & SLOW) && !(w & SLOW);
		w = word
	   };
	   if
	   :: fresh && (w & TAGGED) && (w & TAGGED) != TAG(cpu) ->
		make_loud((w & TAGGED) / 16 - 1);
		assert(!freed);
		if
		:: word == w -> break
		:: else
		fi
	   :: else -> break
	   fi
	od;
	atomic {
		assert(!freed);
		if
#ifdef BUG_LENT
		:: !held || !QUEUE || !(w & TAGGED)
#else
		:: !held || !QUEUE || !(w & TAGGED) -> lent = NOBODY
#endif
		:: else -> lent = (w & OWNER) - 1
		fi
	}
}

/* loud_make() */
inline make_loud(c)
{
	atomic {
		drain(cpu);
		seen = loud[c];
		if
		:: seen == QUIET -> loud[c] = RISING
		:: else
		fi
	};
#ifdef BUG_RISING
	if
	:: seen == QUIET ->
#else
	if
	:: seen != LOUD ->
#endif
#ifndef BUG_FENCE
		atomic { drain(0); drain(1) };
#endif
		if
		:: seen == QUIET -> loud[c] = LOUD
		:: else
		fi
	:: else
	fi
}

inline lock_bucket()
{
	atomic { !bucket && !leaf[cpu] -> drain(cpu); bucket = 1 }
}

/* mutex_give(): the bucket is locked. */
inline give()
{
	atomic {
		assert(!freed);
		next = NOBODY; how = 1;
		if
		:: queued[0] -> next = 0
		:: queued[1] -> next = 1
		:: queued[2] -> next = 2
		:: !QUEUE
		fi;
		lent = NOBODY;
		if
		:: next == NOBODY -> word = 0
		:: else ->
			queued[next] = 0;
			w = (QUEUE -> BEST : 0);
			if
			:: word = w
			:: word = w | (next + 1) | tag[next] |
			    (QUEUE -> SLOW : 0);
				how = 2;
				if
				:: QUEUE && next != PTHREAD -> lent = next
				:: else
				fi
			fi
		fi;
		bucket = 0;
		if
		:: next != NOBODY -> notified[next] = how
		:: else
		fi;
		next = 0; how = 0; w = 0
	}
}

inline unlock_late()
{
#ifdef BUG_FREED
	assert(!freed);
#endif
	atomic { lock_bucket(); held = 0 };
	do
	:: QUEUE ->
		atomic { LOCKED;
			if
			:: (word & OWNER) == 0 -> word = ME | SLOW; break
			:: else
			fi
		};
		settle();
		if
		:: held -> break
		:: else
		fi
	:: else -> held = 1; break
	od;
	if
	:: held -> bucket = 0
	:: else -> give()
	fi
}

inline unlock_slow()
{
	atomic { LOCKED;
		w = word;
		if
		:: w & SLOW
		:: else -> word = w & BEST
		fi
	};
	if
	:: w & SLOW -> lock_bucket(); give()
	:: else
	fi
}

/* release(): sets `late` and `slow`. */
inline release()
{
	slow = 1; late = 0;
	if
	:: cpu == PTHREAD
	:: else ->
		atomic {
#ifndef BUG_LEAF
			!leaf[cpu] -> leaf[cpu] = 1;
#endif
			seen = (calmed[cpu] -> QUIET : loud[cpu])
		};
		atomic {
			assert(!freed);
			w = word;
#ifdef BUG_MOVED
			w = (w & ~TAGGED) | TAG(cpu);
#endif
			if
			:: seen == QUIET && w == ME -> slow = 0
			:: else
			fi
		};
		if
		:: !slow -> stored[cpu] = 1
		:: else
		fi;
		atomic {
			late = !slow &&
			    (calmed[cpu] -> QUIET : loud[cpu]) != QUIET;
			leaf[cpu] = 0; w = 0; seen = 0
		}
	fi
}

proctype store_buffer(byte c)
{
end:	do
	:: atomic { stored[c] || calmed[c] -> drain(c) }
	od
}

/* Other threads on a CPU release so many locks that it becomes quiet. */
proctype others(byte c)
{
end:	do
	:: atomic { loud[c] == LOUD && !calmed[c] && !leaf[c] ->
#ifdef BUG_CALM
		calmed[c] = 1
#else
		drain(c); loud[c] = QUIET
#endif
	   }
	od
}

/* A pthread waits for another mutex that is held on CPU 0. */
proctype waits_for_another()
{
	byte cpu = PTHREAD, seen;

	make_loud(0)
}

proctype user(byte me)
{
	byte cpu = me, w, next, how, seen;
	bit held, fresh, got, slow, late, last, gave_up;

	if
	:: me == 0 -> cpu = 1
	:: 1
	fi;
	got = 0; how = 0;
	do
	:: got -> break
	:: else ->
		atomic { LOCKED;		/* try(), try_past() */
			if
			:: (word & OWNER) == 0 ->
				word = ME | (word & BEST);
				if
				:: word & BEST -> word = word | SLOW
				:: (word & BEST) && how == 0	/* barges */
				:: else
				fi;
				break
			:: else
			fi
		};
		/* mutex_queue() */
		atomic { lock_bucket();
			queued[me] = 1; tag[me] = TAG(cpu)
		};
		settle();
		if
		:: held -> bucket = 0
		:: else -> queued[me] = 0; settle();
			atomic { bucket = 0; goto again }
		fi;
		atomic { w = 0; seen = 0; held = 0; fresh = 0 };
		if
		:: notified[me] != 0
		:: me == 1 && !gave_up ->	/* mutex_leave() */
			atomic { lock_bucket(); gave_up = 1 };
			if
			:: queued[me] -> queued[me] = 0; settle();
				atomic { bucket = 0; goto again }
			:: else -> bucket = 0; (notified[me] != 0)
			fi
		fi;
		atomic {
			how = notified[me];
			got = how == 2;
			notified[me] = 0
		};
again:	atomic { w = 0; seen = 0; held = 0; fresh = 0 }
	od;
	atomic {
		inside++;
		assert(inside == 1);
		users--;
		last = users == 0;
		how = 0
	};
	if
	:: atomic { me == 0 && cpu == 0 && !leaf[1] ->
		drain(0); inside--; cpu = 1 }
	:: inside--
	fi;
	release();
	if
	:: slow -> unlock_slow()
	:: late ->
#ifndef BUG_LOOK
		unlock_late()
#else
		skip
#endif
	:: else
	fi;
	assert(lent != me);				/* MU3 */
	if
	:: last -> atomic { drain(cpu); freed = 1 }
	:: else
	fi
}

init
{
	atomic {
		run store_buffer(0); run store_buffer(1);
		run others(0); run others(1); run waits_for_another();
		run user(0); run user(1); run user(2)
	}
}

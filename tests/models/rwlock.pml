/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Readers of a rwlock that count by CPU, against a writer that revokes the bias
 * (src/kern/lock/rwlock.c, RW1 to RW5, RWO1 to RWO4).
 *
 * Two readers and a writer on two CPUs.  A reader may unlock on the other CPU.
 * The store of a count passes through the store buffer of its CPU; busy[] is a
 * leaf or critical section of a CPU.  Checked: a writer is alone; the mtx never
 * has fewer readers than 0; everybody comes to an end.
 *
 * BUG_FENCE leaves out the fence on all CPUs, BUG_MARK the marks of the slots,
 * BUG_CLAIM has a reader look at the bias before its slot names the lock,
 * BUG_QUEUE has the writer look at it before it queues its request, BUG_MOVED
 * has a reader that was moved not look in the mtx, BUG_ELSEWHERE has a reader
 * whose CPU counts none not revoke the bias, BUG_EARLY makes a lock biased
 * before its first reader counts, BUG_WAIT has a reader not wait while its slot
 * is marked, BUG_ONCE has a reader that has counted look only at the bias,
 * which may be a later one.
 */
#define RW	1		/* lock[]: the slot names the lock */
#define MOVING	2		/* and is marked */

byte lock[2], count[2], moved[2];	/* the slots */
bit pending[2];				/* a store of count[] is pending */
byte value[2];				/* its value */
bit bias, revoking, ex, exwanted;	/* the word of the mtx */
byte readers;
bit busy[2];
byte in;				/* readers that hold the lock */
bit writing;

#define own(c)	(pending[c] -> value[c] : count[c])

inline drain(c)
{
	if
	:: pending[c] -> count[c] = value[c]; pending[c] = 0
	:: else
	fi
}

/* Store tmp as the count of CPU c. */
inline put(c)
{
	atomic { drain(c); value[c] = tmp; pending[c] = 1 }
}

inline enter(c)
{
	atomic { !busy[c] -> busy[c] = 1 }
}

inline settle(c, done)
{
	if
	:: lock[c] == RW -> done = 1
	:: else ->
#ifndef BUG_WAIT
		lock[c] == 0;
#endif
		atomic {
			done = (own(c) == moved[c]);
			tmp = moved[c];
			put(c)
		}
#ifdef BUG_MOVED
		done = 1
#endif
	fi
}

inline confirm(c)
{
	if
#ifdef BUG_ONCE
	:: bias -> got = 1
#else
	:: lock[c] == RW ->
		if
		:: bias -> got = 1
		:: else
		fi
#endif
	:: else
	fi;
	if
	:: got
	:: else ->
		tmp = own(c) - 1; put(c);
		settle(c, done);
		got = !done
	fi
}

inline claim(c)
{
	if
	:: lock[c] == 0 ->
		moved[c] = 0;
		tmp = 1; put(c);
		atomic { drain(c); lock[c] = RW };
		done = 1
	:: else -> done = 0
	fi
}

inline mark(i)
{
	if
	:: atomic { lock[i] == RW -> lock[i] = MOVING }
	:: else
	fi
}

inline move(i)
{
	if
#ifdef BUG_MARK
	:: lock[i] == RW ->
#else
	:: lock[i] == MOVING ->
#endif
		k = count[i];
		moved[i] = k;
		n = n + k;
		lock[i] = 0
	:: else
	fi
}

/* In a critical section. */
inline revoke()
{
	if
	:: atomic { bias -> bias = 0; revoking = 1 }
		n = 0;
#ifndef BUG_MARK
		mark(0);
		mark(1);
#endif
#ifndef BUG_FENCE
		atomic { drain(0); drain(1) }
#endif
		move(0);
		move(1);
		atomic { revoking = 0; readers = readers + n }
	:: else
	fi
}

inline release(c)
{
	do
	:: atomic { readers > 0 -> drain(c); readers-- } break
#ifndef BUG_ELSEWHERE
	:: readers == 0 && bias ->
		enter(c);
		revoke();
		busy[c] = 0
#else
	:: readers == 0 && bias -> break
#endif
	:: readers == 0 && !bias && !revoking -> assert(false)
	od
}

/* The caller has taken the mtx, and may make the lock biased. */
inline make_biased(c)
{
	enter(c);
#ifdef BUG_EARLY
	if
	:: atomic { !ex && !exwanted && !bias && !revoking ->
		readers--; bias = 1 }
		claim(c)
	:: else
	fi;
	done = 0;
#else
	claim(c);
#endif
	if
	:: !done
	:: else ->
		if
		:: atomic { !ex && !exwanted && !bias && !revoking ->
			drain(c); readers--; bias = 1 }
			done = 1
		:: else ->
			tmp = own(c) - 1; put(c);
			settle(c, done)
		fi;
		if
		:: !done -> busy[c] = 0; release(c); enter(c)
		:: else
		fi
	fi;
	busy[c] = 0
}

proctype reader(byte c)
{
	bit got, done;
	byte tmp, n, k;

	enter(c);
	if
	:: lock[c] == RW ->
		tmp = own(c) + 1; put(c);
		confirm(c)
	:: else
	fi;
	if
	:: !got && bias ->
#ifdef BUG_CLAIM
		claim(c);
		got = done
#else
		claim(c);
		if
		:: done -> confirm(c)
		:: else
		fi
#endif
	:: else
	fi;
	busy[c] = 0;
	if
	:: !got ->
		atomic { !ex && !exwanted -> readers++ }
		if
		:: make_biased(c)
		:: skip
		fi
	:: else
	fi;

	atomic { in++; assert(!writing) }
	in--;
	if
	:: c = 1 - c
	:: skip
	fi;

	enter(c);
	if
	:: lock[c] == RW && own(c) > 0 ->
		tmp = own(c) - 1; put(c);
		settle(c, done)
	:: else -> done = 0
	fi;
	busy[c] = 0;
	if
	:: !done -> release(c)
	:: else
	fi
}

proctype writer(byte c)
{
	byte n, k;
#ifdef BUG_QUEUE
	bit saw;
#endif

	enter(c);
#ifdef BUG_QUEUE
	saw = bias;
	exwanted = 1;
	if
	:: saw -> revoke()
	:: else
	fi;
#else
	exwanted = 1;
	revoke();
#endif
	busy[c] = 0;
	atomic { readers == 0 && !bias && !revoking ->
		ex = 1; exwanted = 0; writing = 1; assert(in == 0) }
	writing = 0;
	ex = 0
}

/* The memory takes what is pending. */
proctype memory()
{
end:	do
	:: atomic { pending[0] -> drain(0) }
	:: atomic { pending[1] -> drain(1) }
	od
}

init
{
	atomic {
		run memory();
		run reader(0);
		run reader(0);
		run reader(1);
		run writer(1)
	}
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A token given back by a plain store, and the CPU that sleeps for it
 * (src/kern/sched/token_switch.c, TO1).
 *
 * Two threads on two CPUs take and release one token; a CPU that cannot have
 * it sleeps until it is nudged.  The release stands in the releaser's store
 * buffer (`buffered`) until it drains; the sleeper's fence drains every CPU's.
 * An invalid end state is a CPU that sleeps for a free token.
 *
 * BUG_FENCE leaves the fence out, BUG_ORDER sets NUDGE before the CPU's bit
 * in tokwait, BUG_LATE looks at the count before it sets NUDGE.
 */
#define ROUNDS	2

bit held;		/* t_count, as others see it */
bit buffered[2];		/* a release in the store buffer of that CPU */
bit nudge;		/* T_NUDGE in t_want */
bit tokwait[2];
bit bell[2];		/* RQF_TOKEN and the doorbell */
byte inside;

inline drain(c)
{
	d_step {
		if
		:: buffered[c] -> held = 0; buffered[c] = 0
		:: else
		fi
	}
}

proctype store_buffer(byte c)
{
end:	do
	:: atomic { buffered[c] -> drain(c) }
	od
}

proctype cpu(byte me)
{
	byte i;
	bit got, busy;

	do
	:: i < ROUNDS ->
		got = 0;
		do
		:: got -> break
		:: else ->
			/* cmpxchg drains one's own buffer */
			atomic {
				drain(me);
				if
				:: !held -> held = 1; got = 1
				:: else
				fi
			};
			if
			:: got
			:: else ->		/* tokens_want_nudge, idle */
				busy = 1;
#ifdef BUG_LATE
				busy = held;
#endif
#ifdef BUG_ORDER
				atomic { drain(me); nudge = 1 };
				atomic { drain(me); tokwait[me] = 1 };
#else
				atomic { drain(me); tokwait[me] = 1 };
				atomic { drain(me); nudge = 1 };
#endif
#ifndef BUG_FENCE
				atomic { drain(0); drain(1) };
#endif
#ifndef BUG_LATE
				busy = held;
#endif
				if
				:: busy -> (bell[me]); bell[me] = 0
				:: else
				fi;
				atomic { drain(me); tokwait[me] = 0 }
			fi
		od;
		inside++;
		assert(inside == 1);
		inside--;
		buffered[me] = 1;			/* release_ref: plain store */
		if				/* ...then look at t_want */
		:: nudge ->
			atomic { drain(me); nudge = 0 };
			if
			:: tokwait[1 - me] -> bell[1 - me] = 1
			:: else
			fi
		:: else
		fi;
		i++
	:: else -> break
	od
}

init
{
	atomic {
		run store_buffer(0); run store_buffer(1);
		run cpu(0); run cpu(1)
	}
}

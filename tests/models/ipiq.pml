/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The IPI ring with its hints and the doorbell (src/kern/lwkt_ipiq.c, O3, Q4;
 * src/machine/linux/idle.c).
 *
 * One sender, one target, a ring of two.  An invalid end state is a message
 * that nobody will execute, or a sender that waits for room for ever.
 *
 * Stores of the sender pass through a store buffer, as on x86: `wbuf` is what
 * was written to the ring's index and not seen by others yet.
 * BUG_FENCE leaves out the fence, BUG_ORDER clears the hint after the look,
 * BUG_BELL looks at RQF_SLEEPING before it sets RQF_IPIQ.
 */
#define MESSAGES	3
#define SIZE		2

byte windex, wbuf;	/* written; of these, still in the store buffer */
byte rindex, executed;
bit mask, ipiq, sleeping, bell;

inline drain()
{
	d_step { windex = windex + wbuf; wbuf = 0 }
}

active proctype store_buffer()
{
end:	do
	:: atomic { wbuf > 0 -> drain() }
	od
}

active proctype sender()
{
	byte i;
	bit ring, slept;

	do
	:: i < MESSAGES ->
		(windex + wbuf - rindex < SIZE);	/* room */
		wbuf++;					/* publish */
#ifndef BUG_FENCE
		atomic { drain() }			/* O3 */
#endif
		if
		:: mask == 0 -> atomic { drain(); mask = 1 }
		:: else
		fi;
		if
		:: ipiq == 1
		:: else ->
#ifdef BUG_BELL
			slept = sleeping;
			atomic { drain(); ring = slept && !ipiq; ipiq = 1 }
#else
			atomic { drain(); ring = sleeping && !ipiq; ipiq = 1 }
#endif
			if
			:: ring -> bell = 1
			:: else
			fi
		fi;
		i++
	:: else -> break
	od
}

active proctype target()
{
	byte seen;
	bit wanted;

	do
	:: executed == MESSAGES -> break
	:: else ->
		/* splz, ipiq_pass */
#ifndef BUG_ORDER
		ipiq = 0;
#endif
		if
		:: mask == 1 ->
			seen = windex;
			do
			:: rindex != seen -> rindex++; executed++
			:: else -> break
			od;
			mask = 0;
			if
			:: windex != rindex -> mask = 1; ipiq = 1
			:: else
			fi
		:: else
		fi;
#ifdef BUG_ORDER
		ipiq = 0;
#endif
		/* machine_idle */
		if
		:: executed == MESSAGES -> break
		:: else
		fi;
		atomic { wanted = ipiq; sleeping = 1 }
		if
		:: wanted
		:: else -> (bell == 1); bell = 0
		fi;
		sleeping = 0
	od
	assert(rindex == executed)
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The IPI ring with its hints and the doorbell (src/kern/ipi/lwkt_ipiq.c, ISO1,
 * IPI1; src/machine/linux/idle.c).
 *
 * One sender, one target, a ring of two of which a pass executes one.  An
 * invalid end state is a message that nobody will execute, or a sender that
 * waits for room for ever.
 *
 * Stores of the sender pass through a store buffer, as on x86: `wbuf` is what
 * was stamped in the ring and is not seen by others yet.  `hints` stands for
 * the sender's bit and RQF_IPIQ, which are set and cleared together.
 * BUG_FENCE leaves out the fence, BUG_ORDER clears the hints after the look,
 * BUG_LEFT does not set them again for what a pass left, BUG_BELL looks at
 * RQF_SLEEPING before it sets the hints.
 */
#define MESSAGES	3
#define SIZE		2

byte stamped, wbuf;	/* written; of these, still in the store buffer */
byte rindex, executed;
bit hints, sleeping, bell;

inline drain()
{
	d_step { stamped = stamped + wbuf; wbuf = 0 }
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
	bit seen, ring, slept;

	do
	:: i < MESSAGES ->
		(stamped + wbuf - rindex < SIZE);	/* room */
		wbuf++;					/* publish */
		/* ipiq_hinted */
		seen = hints;
		if
		:: seen ->
#ifndef BUG_FENCE
			atomic { drain() }		/* ISO1 */
#endif
			seen = hints
		:: else
		fi;
		if
		:: seen
		:: else ->
#ifdef BUG_BELL
			slept = sleeping;
			atomic { drain(); ring = slept && !hints; hints = 1 }
#else
			atomic { drain(); ring = sleeping && !hints; hints = 1 }
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
	bit wanted;

	do
	:: executed == MESSAGES -> break
	:: else ->
		/* splz, ipiq_pass */
		if
		:: hints ->
#ifndef BUG_ORDER
			hints = 0;
#endif
			if
			:: stamped != rindex -> rindex++; executed++
			:: else
			fi;
#ifndef BUG_LEFT
			if
			:: stamped != rindex -> hints = 1
#ifdef BUG_ORDER
			:: else -> hints = 0
#else
			:: else
#endif
			fi
#endif
		:: else
		fi;
		/* machine_idle */
		if
		:: executed == MESSAGES -> break
		:: else
		fi;
		atomic { wanted = hints; sleeping = 1 }
		if
		:: wanted
		:: else -> (bell == 1); bell = 0
		fi;
		sleeping = 0
	od
	assert(rindex == executed)
}

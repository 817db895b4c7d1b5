/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Abort of a message that is received and passed on meanwhile
 * (src/kern/port/lwkt_msgport.c, tests/core/port/msgport_races.c).
 *
 * The first server passes the message on, the second keeps it and would never
 * reply by itself.  The sender aborts: it sets the flag in the message, then
 * sends an IPI after it, which goes on to the second server if the first one
 * does not have it.  A server looks at the flag when it has received the
 * message, and notes in the same step, in which its CPU serves no IPI, that it
 * has it.  Checked: the message always ends, once; a receiver may drop it.
 *
 * BUG_LATE sets the flag after the IPI, BUG_BLIND has the second server not
 * look, BUG_WINDOW lets an IPI in between look and note, BUG_UNSAFE has the IPI
 * reply without looking whether the server has it.
 */
mtype = { SENDER, QUEUE1, HAND1, QUEUE2, HAND2, HELD2, DONE };
mtype where = SENDER;
bit aborted, ipi1, ipi2;
byte ends;

inline finish()
{
	where = DONE;
	ends++;
	assert(ends == 1)
}

active proctype sender()
{
	where = QUEUE1;
#ifdef BUG_LATE
	ipi1 = 1;
	aborted = 1;
#else
	aborted = 1;
	ipi1 = 1;
#endif
	where == DONE		/* or the end state is no end: never replied */
}

active proctype first()
{
	do
	:: atomic { where == QUEUE1 -> where = HAND1 }
		if
		:: atomic { aborted -> finish() }
		:: atomic { !aborted -> where = QUEUE2 }
		fi;
		break
	:: atomic { where == QUEUE1 -> finish() }	/* dropped */
		break
	od
}

active proctype second()
{
end:	do
	:: atomic { where == QUEUE2 -> where = HAND2 }
#ifdef BUG_BLIND
		where = HELD2
#else
		if
		:: atomic { aborted -> finish() }
#ifdef BUG_WINDOW
		:: !aborted -> where = HELD2
#else
		:: atomic { !aborted -> where = HELD2 }
#endif
		fi
#endif
	od
}

/* What the CPUs of the two do for an IPI. */
active proctype cpu1()
{
end:	do
	:: atomic { ipi1 -> ipi1 = 0; ipi2 = 1 }
	od
}

active proctype cpu2()
{
end:	do
	:: atomic { ipi2 ->
		ipi2 = 0;
		if
#ifdef BUG_UNSAFE
		:: where != SENDER ->
#else
		:: where == HELD2 ->
#endif
			finish()
		:: else
		fi }
	od
}

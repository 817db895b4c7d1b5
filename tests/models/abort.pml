/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Abort of a message against its reply (src/kern/port/lwkt_msgport.c).
 *
 * The sender waits for a message that a server on another CPU holds; an
 * interrupt makes it ask for an early end, once, and it waits on for the
 * reply.  It sends the same message twice.  The request travels as a message
 * of its own and may arrive when the server is done, or has the message again.
 * Checked: one reply a sending, the message is the sender's only after it, and
 * a late request does not end the next use.
 *
 * BUG_REUSE lets an interrupted sender go on without the reply, BUG_STALE has
 * the server honour a request without looking whose it is.
 */
#define USES	2

byte use;			/* which sending this is */
bit with_server, done;		/* DONE; who owns the message */
byte request;			/* abort asked for: number of the use, or 0 */
byte replies, aborted_use;

active proctype sender()
{
	bit asked;

	do
	:: use < USES ->
		atomic { use++; done = 0; asked = 0; with_server = 1 }
		do
		:: done -> break
		:: !asked && !done ->		/* interrupted: lwkt_abortmsg */
			asked = 1;
			request = use;
#ifdef BUG_REUSE
			break
#endif
		od;
		assert(!with_server);		/* ours again */
		assert(replies == use)
	:: else -> break
	od
}

active proctype server()
{
	byte r;

end:	do
	:: atomic { with_server ->		/* works, and replies */
		replies++; with_server = 0; done = 1 }
	:: request != 0 ->
		r = request;
		request = 0;
		atomic {
			if
#ifdef BUG_STALE
			:: with_server ->
#else
			:: with_server && r == use ->
#endif
				assert(r == use);
				aborted_use = use;
				replies++; with_server = 0; done = 1
			:: else			/* too late */
			fi
		}
	od
}

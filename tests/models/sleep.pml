/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tsleep against wakeup on another CPU (src/kern/sleep/kern_synch.c, SO1, SY2).
 *
 * The sleeper publishes itself, tests its condition and sleeps; the waker
 * makes the condition true, fences, and looks whether it has to send a
 * message.  Stores pass through store buffers.  An invalid end state is a
 * sleeper that nobody wakes.
 *
 * BUG_FENCE leaves out the waker's fence, BUG_ORDER tests before publishing,
 * BUG_INTERLOCK forgets a wakeup that comes between interlock and sleep.
 */
bit cond, cond_hidden;		/* the waker's store */
bit published;			/* mask bit and ident */
bit queued;			/* on the sleep queue */
bit asleep, message;

proctype store_buffer()
{
end:	do
	:: atomic { cond_hidden -> cond = 1; cond_hidden = 0 }
	od
}

/* The IPI handler runs on the sleeper's CPU, between its steps. */
inline serve()
{
	atomic {
		if
		:: message ->
			message = 0;
			if
			:: queued -> queued = 0; asleep = 0
			:: else
			fi
		:: else
		fi
	}
}

proctype sleeper()
{
	bit c;

again:
#ifdef BUG_ORDER
	c = cond;
	atomic { queued = 1; published = 1 }
#else
	atomic { queued = 1; published = 1 }	/* a locked instruction */
	serve();
	c = cond;
#endif
	serve();
	if
	:: c -> goto done
	:: else
	fi;
#ifdef BUG_INTERLOCK
	atomic { queued = 1; asleep = 1 }
#else
	if
	:: atomic { queued -> asleep = 1 }
	:: atomic { !queued -> goto again }	/* woken since the interlock */
	fi;
#endif
	do
	:: asleep == 0 -> break
	:: atomic { message -> message = 0;
		if
		:: queued -> queued = 0; asleep = 0
		:: else
		fi }
	od;
	goto again;
done:
	skip
}

proctype waker()
{
	cond_hidden = 1;
#ifndef BUG_FENCE
	atomic { if
		:: cond_hidden -> cond = 1; cond_hidden = 0
		:: else
		fi }
#endif
	if
	:: published -> message = 1
	:: else
	fi
}

init
{
	atomic { run store_buffer(); run sleeper(); run waker() }
}

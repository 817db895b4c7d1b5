/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stop C++ exceptions where they would leave a thread or a callback.
 *
 * THEORY
 * The library's functions have unwind tables, for backtraces and preemption.
 * So an exception that a callback does not catch would unwind the kernel in the
 * middle of its work, up to a try block of the interrupted thread or of the
 * caller of lwkt_boot().  Before the unwinder unwinds anything, it searches for
 * a handler.  It calls the personality routine of each function on the stack
 * that has one.  The routine here answers that the search has failed.  Then the
 * C++ runtime calls std::terminate(), as for an exception that leaves a
 * noexcept function, and the stack still shows the throw.
 *
 * The bottom frame of each thread has this routine (switch.S), and so has each
 * function with no_unwind() (base/compiler.h).  no_unwind() makes an entry in
 * the function's unwind table, and no instruction.
 *
 * pthread_exit() and the cancellation of a host thread unwind without a search.
 * The routine is called when they reach a function that has it.  It makes the
 * unwinding fail, which aborts the process.
 *
 * Source: the Itanium C++ ABI, Exception Handling, 1.6 and 2.5.
 */
#include <unwind.h>

#include "machine/machine.h"
#include "machine/x86_64/escape.h"

_Unwind_Reason_Code lwkt__escape(int version, _Unwind_Action actions,
	    _Unwind_Exception_Class cls, struct _Unwind_Exception *ue,
	    struct _Unwind_Context *context);

static const struct machine_upcalls *escape_up;	/* (i) */

void
lwkt__escape_boot(const struct machine_upcalls *up)
{
	escape_up = up;
}

/*
 * Report the exception and answer that the search, or the unwinding, fails.
 * This is the personality routine; DW.ref.lwkt__escape in switch.S points to
 * it.
 */
__attribute__((used)) _Unwind_Reason_Code
lwkt__escape(int version, _Unwind_Action actions, _Unwind_Exception_Class cls,
    struct _Unwind_Exception *ue, struct _Unwind_Context *context)
{
	(void)version, (void)cls, (void)ue, (void)context;
	if (escape_up != NULL && escape_up->mu_escape != NULL)
		escape_up->mu_escape(machine_oncpu(),
		    (actions & _UA_FORCE_UNWIND) != 0);
	return (actions & _UA_SEARCH_PHASE) != 0 ? _URC_FATAL_PHASE1_ERROR :
	    _URC_FATAL_PHASE2_ERROR;
}

#include "signals.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "kmd_time.h"

#define SAME_NS KMD_NS_PER_S

/* One process has one set of signals. */
static struct {
	atomic_bool came;
	int signal_fd, stop_fd;
	const char *program;
	struct kmd_mono first; /* of the thread */
	pthread_t thread;
	bool running;
} self = {.signal_fd = -1, .stop_fd = -1};

static sigset_t stop_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	return set;
}

void signals_block(void)
{
	const sigset_t set = stop_signals();

	signal(SIGPIPE, SIG_IGN);
	/* A shell starts background jobs with SIGINT ignored; here it always means stop. */
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void signals_unblock(void)
{
	const sigset_t set = stop_signals();

	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void leave_at_once(void)
{
	dprintf(STDERR_FILENO, "%s: second signal, stopping at once without flushing\n", self.program);
	_exit(KMD_EXIT_SOFTWARE);
}

/* Ctrl-C reaches a whole group, and its supervisor often sends SIGTERM right behind it: that is one request. */
static void take_signal(struct kmd_mono now)
{
	if (!atomic_load(&self.came)) {
		self.first = now;
		atomic_store(&self.came, true);
	} else if (now.ns - self.first.ns >= SAME_NS) {
		leave_at_once();
	}
}

static void *watch(void *arg)
{
	struct pollfd fds[2] = {{.fd = self.signal_fd, .events = POLLIN}, {.fd = self.stop_fd, .events = POLLIN}};
	struct signalfd_siginfo info;

	while (!fds[1].revents) {
		if (poll(fds, 2, -1) < 0 || !(fds[0].revents & POLLIN))
			continue;
		if (read(self.signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
			continue;
		take_signal(kmd_mono_now());
	}
	return arg;
}

int signals_start(const char *program, struct kmd_err *err)
{
	const sigset_t set = stop_signals();

	atomic_store(&self.came, false);
	self.program = program;
	self.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	self.stop_fd = eventfd(0, EFD_CLOEXEC);
	if (self.signal_fd < 0 || self.stop_fd < 0)
		return kmd_err_set(err, KMD_EFAULT, "cannot receive signals: %s", strerror(errno));
	int e = pthread_create(&self.thread, NULL, watch, NULL);
	self.running = e == 0;
	return e ? kmd_err_set(err, KMD_EFAULT, "cannot start a thread for signals: %s", strerror(e)) : 0;
}

bool signals_came(void)
{
	return atomic_load(&self.came);
}

void signals_stop(void)
{
	if (self.running && eventfd_write(self.stop_fd, 1) == 0)
		pthread_join(self.thread, NULL);
	self.running = false;
	if (self.signal_fd >= 0)
		close(self.signal_fd);
	if (self.stop_fd >= 0)
		close(self.stop_fd);
	self.signal_fd = self.stop_fd = -1;
}

/* What OBS does with the filter's callbacks until it has ended Python and after, for any libpython.

   exit_host LIBPYTHON CODE DATA_WORD: runs CODE, which registers a filter type, makes filters, ticks and renders
   them on another thread, has a third thread destroy half of them while Python ends, and then destroys the others, as
   obs_shutdown does with sources that were never released. The functions of libobs that do nothing here are in stubs.h,
   which the test writes. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stubs.h"

enum { FILTERS = 8, FRAMES = 50, INFO_SIZE = 1024, TASK_DESTROY = 3, WORDS = 64 };
/* Offsets in struct obs_source_info. */
enum { CREATE = 24, DESTROY = 32, TICK = 112, RENDER = 120 };

typedef void (*task_t)(void *);
typedef struct { void *words[WORDS]; } source_t;

static char info[INFO_SIZE];
static source_t sources[FILTERS];
static int data_word;
static bool is_registered;

static void *callback(int offset)
{
	void *function;
	memcpy(&function, info + offset, sizeof(function));
	return function;
}

uint32_t obs_get_version(void) { return 29u << 24; }
const char *obs_source_get_display_name(const char *id) { return is_registered ? id : NULL; }
void *obs_obj_get_data(source_t *source) { return source->words[data_word]; }
void bfree(void *pointer) { free(pointer); }

void obs_register_source_s(const void *made, size_t size)
{
	memcpy(info, made, size);
	is_registered = true;
}

/* The thread that destroys. */
static struct { task_t task; void *parameter; } queue[256];
static int queued, done;
static bool is_ending;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void *work(void *unused)
{
	pthread_mutex_lock(&mutex);
	while (!is_ending || done < queued) {
		if (done == queued) {
			pthread_cond_wait(&changed, &mutex);
			continue;
		}
		pthread_mutex_unlock(&mutex);
		queue[done].task(queue[done].parameter);
		pthread_mutex_lock(&mutex);
		done++;
		pthread_cond_broadcast(&changed);
	}
	pthread_mutex_unlock(&mutex);
	return unused;
}

void obs_queue_task(int kind, task_t task, void *parameter, bool waits)
{
	if (kind != TASK_DESTROY)
		return;
	pthread_mutex_lock(&mutex);
	queue[queued].task = task;
	queue[queued].parameter = parameter;
	int number = ++queued;
	pthread_cond_broadcast(&changed);
	while (waits && done < number)
		pthread_cond_wait(&changed, &mutex);
	pthread_mutex_unlock(&mutex);
}

static void destroy(void *parameter)
{
	source_t *source = parameter;
	if (source->words[data_word])
		((task_t)callback(DESTROY))(source->words[data_word]);
	source->words[data_word] = NULL;
}

static void *render(void *unused)
{
	void (*tick)(void *, float) = callback(TICK);
	void (*draw)(void *, void *) = callback(RENDER);
	for (int frame = 0; frame < FRAMES; frame++)
		for (int i = 0; i < FILTERS; i++) {
			tick(sources[i].words[data_word], 0.03f);
			draw(sources[i].words[data_word], NULL);
		}
	return unused;
}

int main(int count, char **arguments)
{
	void *python = count == 4 ? dlopen(arguments[1], RTLD_NOW | RTLD_GLOBAL) : NULL;
	if (!python) {
		fprintf(stderr, "usage: exit_host LIBPYTHON CODE DATA_WORD (%s)\n", dlerror());
		return 2;
	}
	data_word = atoi(arguments[3]);
	void (*initialize)(int) = dlsym(python, "Py_InitializeEx");
	int (*run)(const char *) = dlsym(python, "PyRun_SimpleString");
	void *(*let_go)(void) = dlsym(python, "PyEval_SaveThread");
	int (*ensure)(void) = dlsym(python, "PyGILState_Ensure");
	void (*release)(int) = dlsym(python, "PyGILState_Release");
	void (*finalize)(void) = dlsym(python, "Py_Finalize");

	initialize(0);
	if (run(arguments[2]) || !is_registered)
		return 3;
	let_go();

	pthread_t destroyer, renderer;
	pthread_create(&destroyer, NULL, work, NULL);
	void *(*create)(void *, void *) = callback(CREATE);
	for (int i = 0; i < FILTERS; i++)
		sources[i].words[data_word] = create(NULL, &sources[i]);
	pthread_create(&renderer, NULL, render, NULL);
	pthread_join(renderer, NULL);

	int state = ensure();
	if (run("unload()"))
		return 4;
	release(state);
	for (int i = 0; i < FILTERS / 2; i++)
		obs_queue_task(TASK_DESTROY, destroy, &sources[i], false);
	ensure();
	finalize();
	for (int i = FILTERS / 2; i < FILTERS; i++)
		obs_queue_task(TASK_DESTROY, destroy, &sources[i], false);

	pthread_mutex_lock(&mutex);
	is_ending = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
	pthread_join(destroyer, NULL);
	puts("ended");
	return 0;
}

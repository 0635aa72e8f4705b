package main

import (
	"context"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// mirror is what the handlers of an informer were told, by name; wrong holds what they could not be told rightly.
type mirror struct {
	sync.Mutex
	seen  map[string]string
	wrong []string
}

func (m *mirror) handlers() cache.ResourceEventHandlerDetailedFuncs {
	return cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(obj any, _ bool) { m.put(obj.(*corev1.ConfigMap), false) },
		UpdateFunc: func(_, obj any) {
			m.put(obj.(*corev1.ConfigMap), true)
		},
		DeleteFunc: func(obj any) {
			if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = gone.Obj
			}
			m.Lock()
			defer m.Unlock()
			name := obj.(*corev1.ConfigMap).Name
			if _, known := m.seen[name]; !known {
				m.wrong = append(m.wrong, "gone twice: "+name)
			}
			delete(m.seen, name)
		},
	}
}

func (m *mirror) put(obj *corev1.ConfigMap, known bool) {
	m.Lock()
	defer m.Unlock()
	before, was := m.seen[obj.Name]
	if was != known {
		m.wrong = append(m.wrong, fmt.Sprintf("%s: known %v, told as if %v", obj.Name, was, known))
	}
	if older, newer := number(before), number(obj.ResourceVersion); was && newer < older {
		m.wrong = append(m.wrong, fmt.Sprintf("%s went back from %d to %d", obj.Name, older, newer))
	}
	m.seen[obj.Name] = obj.ResourceVersion
}

func number(revision string) int {
	n, _ := strconv.Atoi(revision)
	return n
}

// informed runs informers beside writers that go on through failures, and compares what they were told with what there is.
func informed(ctx context.Context, config *rest.Config, do *steps, args []string) {
	space := args[0]
	seconds, _ := strconv.ParseFloat(args[1], 64)
	client := kubernetes.NewForConfigOrDie(config)
	named := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: space}}
	if !do.do("a namespace is made", func() error {
		_, err := client.CoreV1().Namespaces().Create(ctx, named, metav1.CreateOptions{})
		return err
	}) {
		return
	}
	const count = 4
	mirrors := make([]*mirror, count)
	stores := make([]cache.Store, count)
	for i := range count {
		factory := informers.NewSharedInformerFactoryWithOptions(client, time.Duration(i)*time.Second, informers.WithNamespace(space))
		informer := factory.Core().V1().ConfigMaps().Informer()
		mirrors[i], stores[i] = &mirror{seen: map[string]string{}}, informer.GetStore()
		if _, err := informer.AddEventHandler(mirrors[i].handlers()); err != nil {
			panic(err)
		}
		factory.Start(ctx.Done())
		do.do(fmt.Sprintf("informer %d has synced", i), func() error {
			waiting, stop := context.WithTimeout(ctx, 20*time.Second)
			defer stop()
			if !cache.WaitForCacheSync(waiting.Done(), informer.HasSynced) {
				return waiting.Err()
			}
			return nil
		})
	}
	fmt.Println(`{"step": "churning"}`)
	var writes, failures int
	do.do("churn", func() error {
		writes, failures = churn(ctx, client, space, time.Duration(seconds*float64(time.Second)))
		if writes < 20 {
			return fmt.Errorf("only %d writes", writes)
		}
		return nil
	})
	fmt.Fprintf(os.Stderr, "%d writes, %d failures\n", writes, failures)
	for i := range count {
		do.do(fmt.Sprintf("informer %d knows what there is", i), func() error { return agree(ctx, client, space, mirrors[i], stores[i]) })
	}
}

// churn makes, changes and removes ConfigMaps; what fails is tried again later.
func churn(ctx context.Context, client kubernetes.Interface, space string, lasting time.Duration) (writes, failures int) {
	chance := rand.New(rand.NewSource(1))
	maps := client.CoreV1().ConfigMaps(space)
	for end := time.Now().Add(lasting); time.Now().Before(end) && ctx.Err() == nil; {
		name := fmt.Sprintf("c-%03d", chance.Intn(200))
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"n": strconv.Itoa(writes)}}
		var err error
		switch chance.Intn(3) {
		case 0:
			_, err = maps.Create(ctx, object, metav1.CreateOptions{})
		case 1:
			_, err = maps.Update(ctx, object, metav1.UpdateOptions{})
		default:
			err = maps.Delete(ctx, name, metav1.DeleteOptions{})
		}
		if err == nil {
			writes++
		} else if failures++; metaStatus(err) == 0 { // no answer at all
			time.Sleep(20 * time.Millisecond)
		}
	}
	return writes, failures
}

func agree(ctx context.Context, client kubernetes.Interface, space string, told *mirror, store cache.Store) error {
	var problem error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		live, err := client.CoreV1().ConfigMaps(space).List(ctx, metav1.ListOptions{})
		if err != nil {
			problem = err
			continue
		}
		if problem = compare(live, told, store); problem == nil {
			return nil
		}
	}
	return problem
}

func compare(live *corev1.ConfigMapList, told *mirror, store cache.Store) error {
	told.Lock()
	defer told.Unlock()
	if len(told.wrong) > 0 {
		return fmt.Errorf("%v", told.wrong)
	}
	if len(told.seen) != len(live.Items) || len(store.List()) != len(live.Items) {
		return fmt.Errorf("told of %d, stored %d, there are %d", len(told.seen), len(store.List()), len(live.Items))
	}
	for _, each := range live.Items {
		if told.seen[each.Name] != each.ResourceVersion {
			return fmt.Errorf("%s: told %q, is %q", each.Name, told.seen[each.Name], each.ResourceVersion)
		}
	}
	return nil
}

// lead prints "leading" when it leads and goes on until it is ended.
func lead(ctx context.Context, config *rest.Config, do *steps, args []string) {
	client := kubernetes.NewForConfigOrDie(config)
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: args[0], Name: args[1]},
		Client:     client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: args[2]},
	}
	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: 2 * time.Second, RenewDeadline: 1500 * time.Millisecond, RetryPeriod: 200 * time.Millisecond, ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { do.do("leading", func() error { return nil }) },
			OnStoppedLeading: func() { do.do("no longer leading", func() error { return nil }) },
		},
	})
}

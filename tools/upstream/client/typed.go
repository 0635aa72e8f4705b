package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/pager"
	"k8s.io/client-go/util/retry"
)

var background = metav1.DeletePropagationBackground

func is(check func(error) bool, what string, err error) error {
	if err == nil {
		return errors.New("nothing was refused; expected: " + what)
	}
	if !check(err) {
		return fmt.Errorf("expected %s, got: %w", what, err)
	}
	return nil
}

// typed drives typed clients through every verb. Objects are compared as client-go decoded them.
func typed(ctx context.Context, config *rest.Config, do *steps, args []string) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		panic(err)
	}
	space := args[0]
	do.do("a namespace is made, and its default account comes", func() error {
		named := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: space}}
		if _, err := client.CoreV1().Namespaces().Create(ctx, named, metav1.CreateOptions{}); err != nil {
			return err
		}
		return retry.OnError(retry.DefaultBackoff, apierrors.IsNotFound, func() error {
			_, err := client.CoreV1().ServiceAccounts(space).Get(ctx, "default", metav1.GetOptions{})
			return err
		})
	})
	configMaps(ctx, client, do, space)
	applied(ctx, client, do, space)
	workloads(ctx, client, do, space)
	identities(ctx, config, client, do, space)
}

func configMaps(ctx context.Context, client kubernetes.Interface, do *steps, space string) {
	maps := client.CoreV1().ConfigMaps(space)
	binary := []byte{0, 1, 2, 255}
	do.do("a ConfigMap keeps text and bytes", func() error {
		made, err := maps.Create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "made-", Labels: map[string]string{"of": "typed"}},
			Data:       map[string]string{"a": "ä\n"}, BinaryData: map[string][]byte{"b": binary},
		}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		read, err := maps.Get(ctx, made.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if read.Data["a"] != "ä\n" || !bytes.Equal(read.BinaryData["b"], binary) || read.UID != made.UID {
			return fmt.Errorf("read back: %v", read)
		}
		return nil
	})
	do.do("twenty are made, and listed by chunks of seven", func() error {
		for i := range 20 {
			named := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("many-%02d", i), Labels: map[string]string{"of": "many"}}}
			if _, err := maps.Create(ctx, named, metav1.CreateOptions{}); err != nil {
				return err
			}
		}
		found := 0
		by := pager.New(pager.SimplePageFunc(func(opts metav1.ListOptions) (runtimeObject, error) {
			return maps.List(ctx, opts)
		}))
		by.PageSize = 7
		err := by.EachListItem(ctx, metav1.ListOptions{LabelSelector: "of=many"}, func(runtimeObject) error {
			found++
			return nil
		})
		if err == nil && found != 20 {
			err = fmt.Errorf("found %d", found)
		}
		return err
	})
	do.do("patches of four kinds change what they name", func() error {
		patches := map[types.PatchType]string{
			types.JSONPatchType:           `[{"op":"add","path":"/data","value":{"json":"1"}}]`,
			types.MergePatchType:          `{"data":{"merge":"1"}}`,
			types.StrategicMergePatchType: `{"data":{"strategic":"1"}}`,
			types.ApplyYAMLPatchType:      `{"apiVersion":"v1","kind":"ConfigMap","data":{"apply":"1"}}`,
		}
		for _, kind := range []types.PatchType{types.JSONPatchType, types.MergePatchType, types.StrategicMergePatchType, types.ApplyYAMLPatchType} {
			options := metav1.PatchOptions{}
			if kind == types.ApplyYAMLPatchType {
				options.FieldManager = "typed"
			}
			if _, err := maps.Patch(ctx, "many-00", kind, []byte(patches[kind]), options); err != nil {
				return fmt.Errorf("%s: %w", kind, err)
			}
		}
		read, err := maps.Get(ctx, "many-00", metav1.GetOptions{})
		if err == nil && len(read.Data) != 4 {
			err = fmt.Errorf("left: %v", read.Data)
		}
		return err
	})
	do.do("an update of an old revision is a conflict", func() error {
		old, err := maps.Get(ctx, "many-01", metav1.GetOptions{})
		if err != nil {
			return err
		}
		newer := old.DeepCopy()
		newer.Data = map[string]string{"x": "1"}
		if _, err := maps.Update(ctx, newer, metav1.UpdateOptions{}); err != nil {
			return err
		}
		old.Data = map[string]string{"x": "2"}
		_, err = maps.Update(ctx, old, metav1.UpdateOptions{})
		return is(apierrors.IsConflict, "a conflict", err)
	})
	do.do("a dry run changes nothing, preconditions hold, a collection goes", func() error {
		dry := metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}
		if err := maps.Delete(ctx, "many-02", dry); err != nil {
			return err
		}
		other := types.UID("other")
		err := maps.Delete(ctx, "many-02", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &other}})
		if err := is(apierrors.IsConflict, "a conflict", err); err != nil {
			return err
		}
		of := metav1.ListOptions{LabelSelector: "of=many"}
		if err := maps.DeleteCollection(ctx, metav1.DeleteOptions{PropagationPolicy: &background}, of); err != nil {
			return err
		}
		left, err := maps.List(ctx, of)
		if err == nil && len(left.Items) != 0 {
			err = fmt.Errorf("%d are left", len(left.Items))
		}
		return err
	})
	do.do("what is invalid is told field by field", func() error {
		_, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "No!"}}, metav1.CreateOptions{})
		return is(apierrors.IsInvalid, "invalid", err)
	})
}

func applied(ctx context.Context, client kubernetes.Interface, do *steps, space string) {
	maps := client.CoreV1().ConfigMaps(space)
	do.do("typed configurations are applied, conflict, are forced and extracted", func() error {
		first := applycorev1.ConfigMap("applied", space).WithData(map[string]string{"a": "1", "b": "1"})
		if _, err := maps.Apply(ctx, first, metav1.ApplyOptions{FieldManager: "one"}); err != nil {
			return err
		}
		second := applycorev1.ConfigMap("applied", space).WithData(map[string]string{"b": "2"})
		_, err := maps.Apply(ctx, second, metav1.ApplyOptions{FieldManager: "two"})
		if err := is(apierrors.IsConflict, "a conflict", err); err != nil {
			return err
		}
		live, err := maps.Apply(ctx, second, metav1.ApplyOptions{FieldManager: "two", Force: true})
		if err != nil {
			return err
		}
		mine, err := applycorev1.ExtractConfigMap(live, "one")
		if err != nil {
			return err
		}
		if len(mine.Data) != 1 || mine.Data["a"] != "1" {
			return fmt.Errorf("extracted: %v", mine.Data)
		}
		return nil
	})
}

func workloads(ctx context.Context, client kubernetes.Interface, do *steps, space string) {
	labels := map[string]string{"app": "web"}
	replicas := int32(0)
	deployments := client.AppsV1().Deployments(space)
	do.do("a Deployment is made, scaled and told its status", func() error {
		made, err := deployments.Create(ctx, &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Name: "web"},
			Spec: appsv1.DeploymentSpec{
				Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: podSpec()},
			},
		}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		if made.Spec.Strategy.RollingUpdate == nil || made.Spec.Strategy.RollingUpdate.MaxSurge.String() != "25%" {
			return fmt.Errorf("defaults: %v", made.Spec.Strategy)
		}
		scaled := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
			scale, err := deployments.GetScale(ctx, "web", metav1.GetOptions{})
			if err != nil {
				return err
			}
			scale = &autoscalingv1.Scale{ObjectMeta: scale.ObjectMeta, Spec: autoscalingv1.ScaleSpec{Replicas: 1}}
			_, err = deployments.UpdateScale(ctx, "web", scale, metav1.UpdateOptions{})
			return err
		})
		if scaled != nil {
			return scaled
		}
		return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
			live, err := deployments.Get(ctx, "web", metav1.GetOptions{})
			if err != nil {
				return err
			}
			if *live.Spec.Replicas != 1 {
				return fmt.Errorf("replicas: %d", *live.Spec.Replicas)
			}
			live.Status.ObservedGeneration = live.Generation
			_, err = deployments.UpdateStatus(ctx, live, metav1.UpdateOptions{})
			return err
		})
	})
	pods := client.CoreV1().Pods(space)
	do.do("a pod is made with quantities, bound, and evicted", func() error {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "single"}, Spec: podSpec()}
		pod.Spec.SchedulerName = "nobody"
		pod.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("0.1")}
		made, err := pods.Create(ctx, pod, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		if cpu := made.Spec.Containers[0].Resources.Requests.Cpu().String(); cpu != "100m" {
			return fmt.Errorf("cpu: %s", cpu)
		}
		nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil || len(nodes.Items) == 0 {
			return fmt.Errorf("nodes: %v", err)
		}
		binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: "single"}, Target: corev1.ObjectReference{Kind: "Node", Name: nodes.Items[0].Name}}
		if err := pods.Bind(ctx, binding, metav1.CreateOptions{}); err != nil {
			return err
		}
		return pods.EvictV1(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "single", Namespace: space}})
	})
}

func podSpec() corev1.PodSpec {
	return corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "web:1", Command: []string{"sleep", "infinity"}}}}
}

func identities(ctx context.Context, config *rest.Config, client kubernetes.Interface, do *steps, space string) {
	do.do("an account's token is made, and says who it is", func() error {
		seconds := int64(3600)
		wanted := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
		made, err := client.CoreV1().ServiceAccounts(space).CreateToken(ctx, "default", wanted, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		other := rest.AnonymousClientConfig(config)
		other.BearerToken = made.Status.Token
		theirs, err := kubernetes.NewForConfig(other)
		if err != nil {
			return err
		}
		who, err := theirs.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		if name := who.Status.UserInfo.Username; name != "system:serviceaccount:"+space+":default" {
			return errors.New("it is " + name)
		}
		_, err = theirs.CoreV1().Secrets(space).List(ctx, metav1.ListOptions{})
		return is(apierrors.IsForbidden, "forbidden", err)
	})
	do.do("a review and an impersonated client agree", func() error {
		asked := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: "jane", ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: space, Verb: "get", Resource: "pods"},
		}}
		review, err := client.AuthorizationV1().SubjectAccessReviews().Create(ctx, asked, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		if review.Status.Allowed {
			return errors.New("jane may get pods")
		}
		as := rest.CopyConfig(config)
		as.Impersonate = rest.ImpersonationConfig{UserName: "jane"}
		jane, err := kubernetes.NewForConfig(as)
		if err != nil {
			return err
		}
		_, err = jane.CoreV1().Pods(space).Get(ctx, "single", metav1.GetOptions{})
		return is(apierrors.IsForbidden, "forbidden", err)
	})
}

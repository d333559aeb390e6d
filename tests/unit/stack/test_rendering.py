"""From services.yaml to objects, in both dialects."""

from __future__ import annotations

from pathlib import Path

from codexctl_ci.stack.rendering import render
from tests.support.projects import load

DEPLOYMENT = """
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: api}
    spec:
      template:
        spec:
          containers: [{name: api, image: old}]
    """


def test_service_gets_its_image_and_the_environments_namespace(tmp_path: Path) -> None:
    project = load(
        tmp_path,
        """
        project: shop
        services:
          - name: api
            image: {repository: registry/shop/api, tagTemplate: 1.10}
            manifests: [{path: api.yaml}]
        """,
        api_yaml=DEPLOYMENT,
    )
    (manifest,) = render(project).manifests
    assert manifest["metadata"] == {"name": "api", "namespace": "shop-dev"}
    assert manifest["spec"]["template"]["spec"]["containers"][0]["image"] == "registry/shop/api:1.10"

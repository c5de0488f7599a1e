"""The registry of models: each name has its class, and a model that is added is in every list."""

import pytest

from experiments import recipes
from vae_moe import models, registry


@pytest.mark.parametrize("name", registry.MODELS)
def test_each_name_has_a_model_of_its_kind(name):
    model_class, kind = registry.model_class(name), registry.MODELS[name].kind
    assert model_class.__name__ in models.__all__
    assert issubclass(model_class, models.mixture_of_experts.MixtureOfExperts) == (kind == "experts")


def test_recipes_list_the_same_models():
    assert tuple(registry.MODELS) == recipes.MODELS == (*registry.names("clustering"), *registry.names("experts"))
    assert {name: entry.title for name, entry in registry.MODELS.items()} == recipes.TITLES


def test_a_model_is_added_by_one_entry(monkeypatch):
    class Toy(models.VaDE):
        """A model of somebody else."""

    monkeypatch.setitem(registry.MODELS, "toy", registry.Entry("Toy", "clustering", Toy))
    assert registry.model_class("toy") is Toy and registry.names("clustering")[-1] == "toy"
    with pytest.raises(ValueError, match=r"unknown model 'dmve': choose one of dmvae, .*toy, or add yours"):
        registry.model_class("dmve")

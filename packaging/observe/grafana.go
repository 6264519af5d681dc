package main

import (
	"bytes"
	"encoding/json"
	"strings"
)

// chosen are the matchers that the dashboard's variables set. A target without a label "cluster"
// matches ".*", which stands for all clusters.
const chosen = `job=~"$job",cluster=~"$cluster",instance=~"$instance"`

// gridWidth is the width of Grafana's grid of panels.
const gridWidth = 24

// A row is a group of panels that Grafana can fold.
type row struct {
	title  string
	folded bool
	panels []panel
}

// A panel is one chart, or one number.
type panel struct {
	title   string
	about   string // the meaning, and what to do
	unit    string // a unit of Grafana; "" is a plain number
	kind    string // "timeseries" if empty
	width   int    // of 24; 8 if 0
	queries []query
	steps   []step // thresholds above the first color, green
	stack   bool
	max     float64 // the top of the axis; 0 lets Grafana choose
}

// A query is an expression and the name of its lines. "$s" in the expression stands for the matchers
// of the variables.
type query struct{ expr, legend string }

// A step is a threshold: at and above the value, the panel has the color.
type step struct {
	value float64
	color string
}

// object is a JSON object. Its keys are written in alphabetical order.
type object = map[string]any

var source = object{"type": "prometheus", "uid": "${datasource}"}

// dashboard returns the dashboard as JSON.
func dashboard() ([]byte, error) {
	var panels []object
	id, y := 0, 0
	next := func() int { id++; return id }
	for _, r := range rows {
		header := object{
			"id": next(), "type": "row", "title": r.title, "collapsed": r.folded,
			"gridPos": object{"x": 0, "y": y, "w": gridWidth, "h": 1}, "panels": []object{},
		}
		y++
		var inside []object
		x, height := 0, 0
		for _, p := range r.panels {
			w, h := p.size()
			if x+w > gridWidth {
				x, y, height = 0, y+height, 0
			}
			inside = append(inside, p.json(next(), object{"x": x, "y": y, "w": w, "h": h}))
			x, height = x+w, max(height, h)
		}
		y += height
		if r.folded {
			header["panels"] = inside
			panels = append(panels, header)
			continue
		}
		panels = append(append(panels, header), inside...)
	}

	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	err := e.Encode(object{
		"uid":           "boreas",
		"title":         "Boreas",
		"description":   "A Boreas server, or all nodes of a cluster. The alerts and the runbook are in the repository of Boreas.",
		"tags":          []string{"boreas"},
		"schemaVersion": 38,
		"version":       1,
		"editable":      true,
		"graphTooltip":  1, // one crosshair in all panels
		"refresh":       "30s",
		"timezone":      "",
		"time":          object{"from": "now-3h", "to": "now"},
		"links": []object{{
			"title": "Runbook", "type": "link", "icon": "doc", "targetBlank": true, "url": runbook,
			"tooltip": "What to do about each alert", "tags": []string{}, "asDropdown": false, "includeVars": false, "keepTime": false,
		}},
		"annotations": object{"list": []object{{
			"name": "Starts of the server", "datasource": source, "enable": true, "iconColor": "blue", "titleFormat": "{{instance}} started",
			"expr": strings.ReplaceAll(`changes(process_start_time_seconds{$s}[2m]) > 0`, "$s", chosen), "step": "30s",
		}}},
		"templating": object{"list": []object{
			{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0, "refresh": 1, "regex": "", "multi": false, "includeAll": false},
			variable("job", "Job", "label_values(boreas_channels, job)"),
			variable("cluster", "Cluster", `label_values(boreas_channels{job=~"$job"}, cluster)`),
			variable("instance", "Instance", `label_values(boreas_channels{job=~"$job",cluster=~"$cluster"}, instance)`),
		}},
		"panels": panels,
	})
	return out.Bytes(), err
}

// variable returns a variable of the dashboard, with the values that the query finds.
func variable(name, label, find string) object {
	return object{
		"name": name, "label": label, "type": "query", "datasource": source, "definition": find,
		"query": object{"query": find, "refId": name}, "refresh": 2, "sort": 1, "hide": 0, "regex": "",
		"multi": true, "includeAll": true, "allValue": ".*", "current": object{"text": []string{"All"}, "value": []string{"$__all"}},
	}
}

// size returns the width and the height of a panel on the grid.
func (p panel) size() (w, h int) {
	w, h = p.width, 8
	if p.kind == "stat" {
		h = 4
	}
	if w == 0 {
		w = 8
	}
	return w, h
}

// json returns the panel as Grafana stores it.
func (p panel) json(id int, place object) object {
	steps := []object{{"color": "green", "value": nil}}
	for _, s := range p.steps {
		steps = append(steps, object{"color": s.color, "value": s.value})
	}
	defaults := object{"unit": p.unit, "min": 0, "thresholds": object{"mode": "absolute", "steps": steps}}
	if p.unit == "" {
		defaults["unit"] = "short"
	}
	if p.max > 0 {
		defaults["max"] = p.max
	}
	out := object{
		"id": id, "title": p.title, "description": p.about, "gridPos": place, "datasource": source,
		"fieldConfig": object{"defaults": defaults, "overrides": []object{}},
	}
	switch p.kind {
	case "stat":
		out["type"] = "stat"
		out["options"] = object{
			"colorMode": "value", "graphMode": "area", "justifyMode": "auto", "orientation": "auto", "textMode": "auto",
			"wideLayout": true, "showPercentChange": false, "percentChangeColorMode": "standard",
			"reduceOptions": object{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
		}
	default:
		out["type"] = "timeseries"
		custom := object{"drawStyle": "line", "lineWidth": 1, "fillOpacity": 5, "showPoints": "never", "spanNulls": false}
		if p.stack {
			custom["stacking"] = object{"mode": "normal", "group": "A"}
			custom["fillOpacity"] = 30
		}
		if len(p.steps) > 0 {
			custom["thresholdsStyle"] = object{"mode": "line"}
		}
		defaults["custom"] = custom
		defaults["color"] = object{"mode": "palette-classic"}
		out["options"] = object{
			"legend":  object{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []string{}},
			"tooltip": object{"mode": "multi", "sort": "desc"},
		}
	}
	var targets []object
	for i, q := range p.queries {
		targets = append(targets, object{
			"refId": string(rune('A' + i)), "datasource": source, "editorMode": "code", "range": true, "instant": false,
			"expr": strings.ReplaceAll(q.expr, "$s", chosen), "legendFormat": q.legend,
		})
	}
	out["targets"] = targets
	return out
}

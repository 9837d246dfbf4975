"use strict";
// Draws the charts of a page: each .chart holds what plotly is to draw as JSON.
(() => {
  const AXIS = {
    automargin: true, gridcolor: "#e9edf1", zeroline: false, linecolor: "#7b8794", showline: true,
    ticks: "outside", ticklen: 4, tickcolor: "#7b8794", exponentformat: "none",
  };
  const LAYOUT = {
    height: 290, margin: { l: 56, r: 14, t: 40, b: 50 }, paper_bgcolor: "white",
    plot_bgcolor: "white", font: { family: "system-ui, sans-serif", size: 12, color: "#1f2933" },
    legend: {
      orientation: "h", x: 0, y: 0, yref: "container", yanchor: "bottom", traceorder: "normal",
      maxheight: 1,
    },
    hovermode: "closest",
  };
  const CONFIG = { displaylogo: false, displayModeBar: false };
  const places = [...document.querySelectorAll(".chart")];

  // The legend stands below the axis, in as many rows as its words need.
  function legendHeight(data, layout, place) {
    const named = data.filter((trace) => trace.showlegend !== false);
    if (layout.showlegend === false || named.length < 2) return 0;
    const longest = Math.max(...named.map((trace) => trace.name.length));
    const { l, r } = LAYOUT.margin;
    const perRow = Math.max(Math.floor((place.clientWidth - l - r) / (48 + 6.5 * longest)), 1);
    return 8 + 19 * Math.ceil(named.length / perRow);
  }

  // A legend of more than a few rows makes a chart higher, not its axes shorter.
  const FEW_ROWS = 46;
  function room(data, layout, place) {
    const legend = legendHeight(data, layout, place);
    const { b } = { ...LAYOUT.margin, ...layout.margin };
    return {
      width: place.clientWidth, height: layout.height + Math.max(legend - FEW_ROWS, 0),
      "margin.b": b + legend,
    };
  }

  const fits = new Map();
  async function draw(place) {
    const { data, layout } = JSON.parse(place.querySelector("script").textContent);
    // Charts are narrow: without a distance, the title of an axis touches long tick labels.
    const up = { ...AXIS, ...layout.yaxis, title: { standoff: 10, ...layout.yaxis?.title } };
    const title = { ...layout.title, x: 0.01, xanchor: "left", font: { size: 14 } };
    const merged = { ...LAYOUT, ...layout, title };
    const { width, height, "margin.b": bottom } = room(data, merged, place);
    await Plotly.newPlot(place, data, {
      ...merged, width, height, margin: { ...LAYOUT.margin, ...layout.margin, b: bottom },
      xaxis: { ...AXIS, ...layout.xaxis }, yaxis: up,
    }, CONFIG);
    // In another width a legend needs other rows. A window that only becomes higher, as on a
    // phone whenever its bars hide, changes nothing.
    fits.set(place, () => {
      if (place.clientWidth && place.clientWidth !== place._fullLayout.width) {
        Plotly.relayout(place, room(data, merged, place));
      }
    });
  }
  let waiting;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => fits.forEach((fit) => fit()), 200);
  });
  // On paper, where nothing is drawn again, a chart is scaled to its place.
  function letScale(place) {
    for (const picture of place.querySelectorAll("svg.main-svg")) {
      const { width, height } = place._fullLayout;
      picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
      place.style.setProperty("--shape", `${width} / ${height}`);
    }
  }
  addEventListener("load", async () => {
    for (const place of places) {
      await draw(place);
      letScale(place);
      place.on("plotly_afterplot", () => letScale(place));
    }
  });
})();
